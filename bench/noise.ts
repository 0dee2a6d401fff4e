/**
 * What a line that sends no frames costs the agent, for every framing: 32 MiB of random bytes, of 0xFF, of one endless
 * word, and of what makes the framing work hardest, after 4 MiB of good frames. Each goes in chunks of 4 KiB, as fast as they are taken, through the
 * product's line in a process of its own, started with the flags of systemd/fieldpost.service; a real line at 115200 Bd is
 * a hundred to a thousand times slower. Then good frames come, and one of them must be found.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeTemporaryDirectory } from '../src/workbench/temp.ts';
import type { Undo } from '../src/workbench/undo.ts';
import { FRAMING_ROWS, NOISES, type Noise } from './noise/rows.ts';
import type { NoiseFigures, NoiseInput } from './noise/worker.ts';
import { aimLines, atMost, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';
import { readUnit } from './rig/unit.ts';
import { bundle, runWorker } from './rig/worker.ts';

const MIB = 1 << 20;
const DEADLINE_MS = 300_000;

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, mib: { type: 'string', default: '32' } },
});
const bytes = Number(options.mib) * MIB;
if (!(bytes >= 2 * MIB)) throw new Error('--mib must be 2 or more');

interface Row extends NoiseFigures {
  readonly framing: string;
  readonly noise: Noise;
}

async function main(undo: Undo): Promise<void> {
  const directory = await makeTemporaryDirectory('noise');
  undo.add(directory.remove);
  const file = await bundle(join(resolve(import.meta.dirname), 'noise/worker.ts'), directory.path, 'noise');
  const start = { ...readUnit(), environment: [] };
  const rows: Row[] = [];
  for (const [row, { name }] of FRAMING_ROWS.entries()) {
    for (const noise of NOISES) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name}: ${noise} `);
      const input: NoiseInput = { row, noise, bytes };
      const figures = await runWorker<NoiseFigures>({ file, input, start, deadlineMs: DEADLINE_MS, undo });
      rows.push({ framing: name, noise, ...figures });
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  report(rows);
}

function report(rows: readonly Row[]): void {
  const head = [
    'framing',
    'noise',
    '+MiB first half',
    '+MiB second',
    'loop p99 ms',
    'MB/s',
    'CPU ms/MB',
    'frames by chance',
    'good after bytes',
  ];
  const cells = rows.map((row) => [
    row.framing,
    row.noise,
    row.aboveGoodMib.toFixed(1),
    row.grownMib.toFixed(1),
    row.delayP99Ms.toFixed(1),
    row.mbPerSecond.toFixed(1),
    row.cpuMsPerMb.toFixed(0),
    String(row.chanceFrames),
    row.lostBytes === undefined ? 'never' : String(row.lostBytes),
  ]);
  process.stdout.write(table(head, cells, 2));
  const most = (figure: (row: Row) => number): number => Math.max(...rows.map(figure));
  const aims = [
    atMost(
      'memory that noise took, above that of a line that had read good frames, MiB',
      most((row) => row.aboveGoodMib + row.grownMib),
      5,
    ),
    atMost(
      'event-loop delay, 99th percentile, ms',
      most((row) => row.delayP99Ms),
      50,
    ),
    atMost('rows without a good frame afterwards', rows.filter((row) => row.lostBytes === undefined).length, 0),
  ];
  process.stdout.write(`\n${aimLines(aims)}`);
  if (options.json) process.stdout.write(`${JSON.stringify({ bench: 'noise', mib: bytes / MIB, rows, aims })}\n`);
}

await runBenchmark('noise', main);
