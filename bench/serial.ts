/**
 * What reading a serial line costs, and how fast it can go: fieldpost's line and decoder beside serialport as its pages
 * show it, a pyserial loop that reads in bulk, and a poll-and-read loop in C without a JSON parser. Each reads the same
 * lines of 72 bytes from a pty, decodes every one and adds up a number of it, which is checked. At a steady 115200 Bd
 * processor time is what counts, at full speed lines per second. Every run is a process of its own whose start and warm-up
 * are not counted, the rows take turns, figures are medians; the feeder is other processes and in no figure.
 *
 * `--quick` for one short run. The C row needs gcc, the pyserial row python3-serial; without them they are left out.
 */
import { parseArgs } from 'node:util';
import { makeTemporaryDirectory } from '../src/workbench/temp.ts';
import type { Undo } from '../src/workbench/undo.ts';
import { type Aim, aimLines, atMost, median, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';
import { LINE_BYTES, type ReaderFigures } from './serial/load.ts';
import { makeReaders, type Pace, type Reader, runReader } from './serial/stage.ts';

const OURS = 'fieldpost';
const MEASURE = 'pyserial, bulk reads';
/** Of a wire at 115200 Bd, 8N1. */
const LINES_PER_SECOND = 11_520 / LINE_BYTES;
const PACES: readonly Pace[] = ['steady', 'full'];

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '8' },
    lines: { type: 'string', default: '60000' },
    quick: { type: 'boolean', default: false },
  },
});
const runs = options.quick ? 1 : Number(options.runs);
const seconds = options.quick ? 2 : Number(options.seconds);
const lines = options.quick ? 20_000 : Number(options.lines);
if (!(runs >= 1 && seconds >= 1 && lines >= 1)) throw new Error('--runs, --seconds and --lines must be 1 or more');

/** Node's compiler is busy with the first thousands of chunks; at full speed a chunk holds 50 lines. */
const WORK: Readonly<Record<Pace, { readonly warmUp: number; readonly lines: number }>> = {
  steady: { warmUp: 5000, lines: Math.round(seconds * LINES_PER_SECOND) },
  full: { warmUp: 20_000, lines },
};

interface Row {
  readonly reader: string;
  /** At 115200 Bd, of one core. */
  readonly cpuPercent: number;
  readonly linesPerSecond: number;
  /** At full speed. */
  readonly cpuUsPerLine: number;
  /** Medians of the ratios of each run to pyserial's bulk reads. */
  readonly cpuRatio?: number | undefined;
  readonly rateRatio?: number | undefined;
  readonly runs: Readonly<Record<Pace, readonly ReaderFigures[]>>;
}

const cpuPercent = (run: ReaderFigures): number => run.cpuMs / run.seconds / 10;
const rate = (run: ReaderFigures): number => lines / run.seconds;

async function measure(readers: readonly Reader[], undo: Undo): Promise<Row[]> {
  const taken = readers.map((reader) => ({ reader, steady: [] as ReaderFigures[], full: [] as ReaderFigures[] }));
  for (let run = 0; run < runs; run += 1) {
    for (const pace of PACES) {
      for (const row of taken) {
        if (process.stderr.isTTY)
          process.stderr.write(`\r\x1b[Krun ${run + 1} of ${runs}, ${pace}: ${row.reader.name} `);
        row[pace].push(await runReader(row.reader, WORK[pace], pace, undo));
      }
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const base = taken.find(({ reader }) => reader.name === MEASURE);
  return taken.map(({ reader, steady, full }) => ({
    reader: reader.name,
    cpuPercent: median(steady.map(cpuPercent)),
    linesPerSecond: median(full.map(rate)),
    cpuUsPerLine: median(full.map((run) => (run.cpuMs * 1000) / lines)),
    cpuRatio: base && median(steady.map((run, at) => cpuPercent(run) / cpuPercent(base.steady[at] as ReaderFigures))),
    rateRatio: base && median(full.map((run, at) => rate(run) / rate(base.full[at] as ReaderFigures))),
    runs: { steady, full },
  }));
}

function aimsOf(rows: readonly Row[]): Aim[] {
  const ours = rows.find(({ reader }) => reader === OURS);
  return ours?.cpuRatio === undefined
    ? []
    : [atMost('CPU at 115200 Bd to pyserial in bulk, at most 1', ours.cpuRatio, 1)];
}

async function main(undo: Undo): Promise<void> {
  const directory = await makeTemporaryDirectory('serial');
  undo.add(directory.remove);
  const { readers, without } = makeReaders(directory.path);
  for (const why of without) process.stderr.write(`serial: left out: ${why}\n`);
  const rows = await measure(readers, undo);
  const aims = aimsOf(rows);
  process.stdout.write(`node ${process.version}, median of ${runs}; ${seconds} s at 115200 Bd, then ${lines} lines\n`);
  const head = ['', 'CPU % at 115200 Bd', 'to pyserial', 'lines/s', 'to pyserial', 'CPU us/line'];
  const cells = rows.map((row) => [
    row.reader,
    row.cpuPercent.toFixed(2),
    row.cpuRatio?.toFixed(2) ?? '-',
    row.linesPerSecond.toFixed(0),
    row.rateRatio?.toFixed(2) ?? '-',
    row.cpuUsPerLine.toFixed(2),
  ]);
  process.stdout.write(`${table(head, cells, 1)}\n${aimLines(aims)}`);
  if (!options.json) return;
  process.stdout.write(
    `${JSON.stringify({ bench: 'serial', node: process.version, runs, seconds, lines, aims, rows })}\n`,
  );
}

await runBenchmark('serial', main);
