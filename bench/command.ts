/**
 * How long an operator waits for an answer: `ping`, which only reads, and `telemetry.resume`, which changes something and so
 * is on disk before it runs and before it is answered. Asked over mutual TLS at a real mosquitto, once a second each,
 * while nothing else happens, and under full load: sales as fast as the ledger takes them, 16 events in flight, and 1 MB of
 * noise a second on another line. The rows are taken in turn in one run.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeTemporaryDirectory } from '../src/workbench/temp.ts';
import type { Undo } from '../src/workbench/undo.ts';
import { setStage, type Stage, WINDOW } from './command/stage.ts';
import { aimLines, atMost, median, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';

const COMMANDS = ['ping', 'telemetry.resume'] as const;
const ROUNDS = 4;
/** The agent takes sixty requests a minute in the long run. */
const PAUSE_MS = 1100;

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, asks: { type: 'string', default: '40' } },
});
const asks = Number(options.asks);
if (!(asks >= ROUNDS)) throw new Error(`--asks must be ${ROUNDS} or more`);

interface Row {
  readonly command: string;
  readonly load: 'none' | 'full';
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly mostMs: number;
}

async function main(undo: Undo): Promise<void> {
  const directory = await makeTemporaryDirectory('command');
  undo.add(directory.remove);
  const stage = await setStage(directory.path, undo);
  const taken = new Map<string, number[]>();
  let underLoad = { events: 0, noiseBytes: 0, seconds: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const load of ['none', 'full'] as const) {
      stage.load(load === 'full');
      await pause(1500);
      const before = { ...stage.seen(), ms: performance.now() };
      await askAll(stage, load, round, taken);
      if (load === 'none') continue;
      const { events, noiseBytes } = stage.seen();
      underLoad = {
        events: underLoad.events + events - before.events,
        noiseBytes: underLoad.noiseBytes + noiseBytes - before.noiseBytes,
        seconds: underLoad.seconds + (performance.now() - before.ms) / 1000,
      };
    }
  }
  report(taken, underLoad);
}

async function askAll(stage: Stage, load: string, round: number, taken: Map<string, number[]>): Promise<void> {
  for (let at = 0; at < asks / ROUNDS; at += 1) {
    for (const command of COMMANDS) {
      const key = `${command} ${load}`;
      const times = taken.get(key) ?? [];
      taken.set(key, times);
      times.push(await stage.ask(command, `${round}-${load}-${command}-${at}`));
      await pause(PAUSE_MS);
    }
  }
}

function report(
  taken: ReadonlyMap<string, readonly number[]>,
  load: { readonly events: number; readonly noiseBytes: number; readonly seconds: number },
): void {
  const rows = [...taken].map(([key, times]): Row => {
    const [command = '', kind] = key.split(' ');
    const sorted = [...times].sort((a, b) => a - b);
    return {
      command,
      load: kind === 'full' ? 'full' : 'none',
      medianMs: median(times),
      p90Ms: sorted[Math.floor(sorted.length * 0.9)] ?? Number.NaN,
      mostMs: sorted.at(-1) ?? Number.NaN,
    };
  });
  const eventsASecond = load.events / load.seconds;
  const noise = load.noiseBytes / load.seconds / 1e6;
  process.stdout.write(
    `${asks} asks a row; under load ${eventsASecond.toFixed(0)} events/s in a window of ${WINDOW}, ${noise.toFixed(2)} MB/s of noise\n`,
  );
  const idle = (command: string): number =>
    rows.find((row) => row.command === command && row.load === 'none')?.medianMs ?? NaN;
  const cells = rows.map((row) => [
    row.command,
    row.load,
    row.medianMs.toFixed(1),
    row.p90Ms.toFixed(1),
    row.mostMs.toFixed(1),
    (row.medianMs / idle(row.command)).toFixed(2),
  ]);
  process.stdout.write(table(['command', 'load', 'median ms', 'p90 ms', 'most ms', 'to none'], cells, 2));
  const most = Math.max(...rows.filter((row) => row.load === 'full').map((row) => row.medianMs));
  const aims = [atMost('round trip under full load, median, ms', most, 100)];
  process.stdout.write(`\n${aimLines(aims)}`);
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ bench: 'command', asks, eventsASecond, noiseMbASecond: noise, rows, aims })}\n`,
    );
  }
}

await runBenchmark('command', main);
