/**
 * What a long time without a broker costs: 10 thousand, 100 thousand and a million sales queued in the product's ledger,
 * opened again, drained to a real Mosquitto at the default window, and dropped once they are settled. Each part is a
 * process of its own, started as systemd/fieldpost.service starts the agent, on a disk whose sectors are counted.
 *
 * Constant cost is what has to be seen: the last tenth of the appends costs what the first did, and memory and the time to
 * open do not grow with what is queued. Before a ledger is opened its files are taken out of the page cache. `--svg FILE`
 * draws the result; docs/backlog.svg is such a one. `--counts 1000,5000` for other numbers of events.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Mosquitto } from '../src/workbench/mosquitto.ts';
import type { Undo } from '../src/workbench/undo.ts';
import { plot } from './backlog/plot.ts';
import type { Drained, Dropped, Filled, Opened, Part } from './backlog/worker.ts';
import { forget, makePlace, type MountedPlace } from './rig/place.ts';
import { type Aim, aimLines, atMost, medians, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';
import { readUnit } from './rig/unit.ts';
import { bundle, runWorker } from './rig/worker.ts';

const DEADLINE_MS = 600_000;
const OPENINGS = 5;
const RSS_AIM_MIB = 80;
/** Noise of a machine that others use too. */
const FLAT = 1.2;
/** A disk that is bigger than a million events by far, so that a full file system does not slow the last ones. */
const DISK_BYTES = 3 * 1024 ** 3;

interface Row {
  readonly events: number;
  readonly filled: Filled;
  readonly opened: Omit<Opened, 'unsent'>;
  readonly drained: Drained;
  readonly dropped: Dropped;
}

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    counts: { type: 'string', default: '10000,100000,1000000' },
    svg: { type: 'string' },
  },
});
const counts = options.counts.split(',').map(Number);
if (!counts.every((count) => count >= 100)) throw new Error('--counts must be 100 or more each');

async function measure(place: MountedPlace, events: number, file: string, url: string, undo: Undo): Promise<Row> {
  const directory = join(place.directory, `ledger-${events}`);
  const run = async <Result>(part: Part['part']): Promise<Result> => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${events} events: ${part} `);
    const { directory: home, stat, image } = place;
    const input: Part = { part, place: { directory: home, stat, image }, directory, events, url };
    return runWorker<Result>({ file, input, start: readUnit(), deadlineMs: DEADLINE_MS, undo });
  };
  const filled = await run<Filled>('fill');
  const openings: Opened[] = [];
  for (let at = 0; at < OPENINGS; at += 1) {
    forget(place, directory);
    openings.push(await run<Opened>('open'));
  }
  const drained = await run<Drained>('drain');
  const dropped = await run<Dropped>('drop');
  return { events, filled, opened: medians<keyof Opened>(openings.map((one) => ({ ...one }))), drained, dropped };
}

function aimsOf(rows: readonly Row[]): Aim[] {
  const aims: Aim[] = [];
  for (const { events, filled, opened, drained } of rows) {
    const where = `${events} events`;
    const worst = Math.max(filled.peakRssMib, opened.rssMib, drained.peakRssMib);
    aims.push(atMost(`${where}, RSS at most ${RSS_AIM_MIB} MiB while filling, open and draining`, worst, RSS_AIM_MIB));
    const cpu = filled.last.cpuUsPerEvent / filled.first.cpuUsPerEvent;
    aims.push(atMost(`${where}, CPU of an append, last tenth to first, at most ${FLAT}`, cpu, FLAT));
    const bytes = filled.last.bytesPerEvent / filled.first.bytesPerEvent;
    aims.push(atMost(`${where}, bytes written by an append, last tenth to first, at most ${FLAT}`, bytes, FLAT));
  }
  const [least] = rows;
  const most = rows.at(-1);
  if (least === undefined || most === undefined || least === most) return aims;
  const grown = most.opened.ms / least.opened.ms;
  aims.push(atMost(`time to open, ${most.events} to ${least.events} events, at most 2`, grown, 2));
  return aims;
}

function tableOf(rows: readonly Row[]): string {
  const lines: readonly (readonly [string, (row: Row) => number, number])[] = [
    ['append, events/s, first tenth', ({ filled }) => filled.first.perSecond, 0],
    ['append, events/s, last tenth', ({ filled }) => filled.last.perSecond, 0],
    ['append, CPU us, first tenth', ({ filled }) => filled.first.cpuUsPerEvent, 1],
    ['append, CPU us, last tenth', ({ filled }) => filled.last.cpuUsPerEvent, 1],
    ['append, bytes written, first tenth', ({ filled }) => filled.first.bytesPerEvent, 0],
    ['append, bytes written, last tenth', ({ filled }) => filled.last.bytesPerEvent, 0],
    ['RSS while filling, MiB, most', ({ filled }) => filled.peakRssMib, 1],
    ['ledger on disk, MiB', ({ filled }) => filled.diskMib, 0],
    ['open, ms', ({ opened }) => opened.ms, 0],
    ['open, CPU ms', ({ opened }) => opened.cpuMs, 0],
    ['RSS after open, MiB', ({ opened }) => opened.rssMib, 1],
    ['drain, events/s', ({ drained }) => drained.perSecond, 0],
    ['drain, CPU us', ({ drained }) => drained.cpuUsPerEvent, 1],
    ['drain, loop delay p99, ms', ({ drained }) => drained.delayP99Ms, 1],
    ['RSS while draining, MiB, most', ({ drained }) => drained.peakRssMib, 1],
    ['drop all that is settled, ms', ({ dropped }) => dropped.ms, 1],
    ['segments dropped', ({ dropped }) => dropped.segments - 1, 0],
    ['ledger on disk after, MiB', ({ dropped }) => dropped.diskMib, 0],
  ];
  const head = ['events queued', ...rows.map(({ events }) => String(events))];
  return table(
    head,
    lines.map(([text, of, digits]) => [text, ...rows.map((row) => of(row).toFixed(digits))]),
    1,
  );
}

function drawing(rows: readonly Row[]): string {
  const of = (figure: (row: Row) => number): number[] => rows.map(figure);
  const bytes = rows[0]?.filled.eventBytes ?? 0;
  const how = `node ${process.version}, events of ${bytes} bytes, flags of systemd/fieldpost.service; npm run bench -- backlog`;
  return plot('A ledger with events queued offline', how, counts, [
    {
      title: 'Open',
      unit: 'ms, files not in the page cache',
      series: [{ name: 'open', values: of((row) => row.opened.ms) }],
    },
    {
      title: 'Memory',
      unit: 'RSS, MiB; most of the process, or after open',
      aim: RSS_AIM_MIB,
      series: [
        { name: 'filling', values: of((row) => row.filled.peakRssMib) },
        { name: 'after open', values: of((row) => row.opened.rssMib) },
        { name: 'draining', values: of((row) => row.drained.peakRssMib) },
      ],
    },
    {
      title: 'Append',
      unit: 'bytes written to the disk for an event',
      series: [
        { name: 'first tenth', values: of((row) => row.filled.first.bytesPerEvent) },
        { name: 'last tenth', values: of((row) => row.filled.last.bytesPerEvent) },
      ],
    },
    {
      title: 'Drain',
      unit: 'events/s to Mosquitto, window 32',
      series: [{ name: 'drain', values: of((row) => row.drained.perSecond) }],
    },
  ]);
}

async function main(undo: Undo): Promise<void> {
  const place = await makePlace('backlog', DISK_BYTES);
  undo.add(place.leave);
  const file = await bundle(join(import.meta.dirname, 'backlog/worker.ts'), place.directory, 'worker');
  const broker = new Mosquitto({ directory: join(place.directory, 'broker'), persistence: false });
  undo.add(() => broker.stop());
  await broker.start();
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const rows: Row[] = [];
  for (const events of counts) rows.push(await measure(place, events, file, url, undo));
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const aims = aimsOf(rows);
  process.stdout.write(`node ${process.version}; bytes: ${place.how}\n${tableOf(rows)}${aimLines(aims)}`);
  if (options.svg !== undefined) await writeFile(options.svg, drawing(rows));
  if (options.json) {
    const report = { bench: 'backlog', node: process.version, bytes: place.how, aims, rows };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
}

await runBenchmark('backlog', main);
