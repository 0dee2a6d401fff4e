/**
 * How fast and at what cost events reach a broker: fieldpost with its ledger on disk beside clients that keep them in
 * memory, in unsynced files, or in a bridge. One run, one Mosquitto (no persistence, no bound of what is in flight), MQTT
 * 5, QoS 2, loopback; closed loop: at most W events between handing over and completion. For fieldpost that holds two
 * synced writes of each event, and how long such a write took is in the report: on a disk that others use too, or a slow
 * one, it decides. Every run of every row is a process of its own, the rows take turns, figures are medians.
 *
 * The others' payload is 250 bytes (`--bytes`); fieldpost's is what a sale makes, named in the report: its numbering, chain
 * and times alone are more. `--dedupe` gives each sale the pump's own number, against which repeats are judged. Over TCP
 * and mutual TLS; `--tcp` or `--tls` for one of them, `--quick` for one short run. Paho needs gcc and libpaho-mqtt-dev;
 * .ci/bench.mjs sees to it, and without them its rows are left out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Undo } from '../src/workbench/undo.ts';
import type { Outcome } from './delivery/closed-loop.ts';
import { setStage, type Client, type Stage, type Transport } from './delivery/stage.ts';
import { diskFolder } from './rig/place.ts';
import { type Aim, aimLines, atLeast, atMost, median, table } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';

const WINDOWS = [1, 16, 32, 100] as const;
/** Node's compiler is busy for about as long; the bound of time is for those that need none and are slow. */
const WARM_UP_EVENTS = 20_000;
const WARM_UP_SECONDS = 0.8;
const OURS = 'fieldpost';
const MEMORY = 'Paho C, memory';
const FILES = 'Paho C, files';

interface Row {
  readonly transport: Transport;
  readonly window: number;
  readonly client: string;
  readonly perSecond: number;
  readonly cpuUsPerEvent: number;
  readonly rssMib: number;
  readonly delayP99Ms?: number;
  readonly syncMs?: number;
  readonly eventBytes: number;
  readonly runs: readonly Outcome[];
  /** Medians of the ratios of each run, rate and processor time, to Paho in memory and with files. */
  readonly toMemory?: Ratio;
  readonly toFiles?: Ratio;
}

interface Ratio {
  readonly rate: number;
  readonly cpu: number;
}

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    events: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '1.2' },
    runs: { type: 'string', default: '3' },
    bytes: { type: 'string', default: '250' },
    windows: { type: 'string', default: WINDOWS.join(',') },
    tls: { type: 'boolean', default: false },
    tcp: { type: 'boolean', default: false },
    dedupe: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const runs = options.quick ? 1 : Number(options.runs);
const seconds = options.quick ? 0.7 : Number(options.seconds);
const events = Number(options.events);
const windows = options.windows.split(',').map(Number);
if (!(runs >= 1 && seconds > 0 && events >= 1 && windows.every((window) => window >= 1)))
  throw new Error('--runs, --seconds, --events and --windows must be 1 or more');
const transports: Transport[] = options.tls === options.tcp ? ['tcp', 'tls'] : [options.tls ? 'tls' : 'tcp'];

const rate = (outcome: Outcome): number => outcome.events / outcome.seconds;
const cpu = (outcome: Outcome): number => outcome.cpuUs / outcome.events;

function ratioOf(ours: readonly Outcome[], theirs: readonly Outcome[] | undefined): Ratio | undefined {
  if (theirs === undefined) return undefined;
  const over = (figure: (outcome: Outcome) => number): number =>
    median(ours.map((outcome, at) => figure(outcome) / figure(theirs[at] as Outcome)));
  return { rate: over(rate), cpu: over(cpu) };
}

async function measure(stage: Stage): Promise<Row[]> {
  const taken = new Map<string, Outcome[]>();
  const key = (transport: Transport, window: number, client: string): string => `${transport} ${window} ${client}`;
  const turn = async (run: number, transport: Transport, window: number, client: Client): Promise<void> => {
    if (process.stderr.isTTY)
      process.stderr.write(`\r\x1b[Krun ${run + 1} of ${runs}, ${transport}, window ${window}: ${client.name} `);
    const bytes = Number(options.bytes);
    const warmUp = { warmUp: WARM_UP_EVENTS, warmUpSeconds: WARM_UP_SECONDS };
    const outcome = await client.run(transport, { window, bytes, ...warmUp, events, seconds });
    const name = key(transport, window, client.name);
    taken.set(name, [...(taken.get(name) ?? []), outcome]);
  };
  for (let run = 0; run < runs; run += 1)
    for (const transport of transports)
      for (const window of windows) for (const client of stage.clients) await turn(run, transport, window, client);
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const rowOf = (transport: Transport, window: number, client: string): Row => {
    const outcomes = taken.get(key(transport, window, client)) ?? [];
    const delays = outcomes.flatMap(({ delayP99Ms }) => delayP99Ms ?? []);
    const syncs = outcomes.flatMap(({ syncMs }) => syncMs ?? []);
    const toMemory = ratioOf(outcomes, taken.get(key(transport, window, MEMORY)));
    const toFiles = ratioOf(outcomes, taken.get(key(transport, window, FILES)));
    return {
      transport,
      window,
      client,
      perSecond: median(outcomes.map(rate)),
      cpuUsPerEvent: median(outcomes.map(cpu)),
      rssMib: median(outcomes.map(({ rssMib }) => rssMib)),
      ...(delays.length === 0 ? {} : { delayP99Ms: median(delays) }),
      ...(syncs.length === 0 ? {} : { syncMs: median(syncs) }),
      eventBytes: outcomes[0]?.eventBytes ?? 0,
      runs: outcomes,
      ...(toMemory === undefined ? {} : { toMemory }),
      ...(toFiles === undefined ? {} : { toFiles }),
    };
  };
  return transports.flatMap((transport) =>
    windows.flatMap((window) => stage.clients.map(({ name }) => rowOf(transport, window, name))),
  );
}

function aimsOf(rows: readonly Row[], transport: Transport): Aim[] {
  const ours = (window: number): Row | undefined =>
    rows.find((row) => row.transport === transport && row.window === window && row.client === OURS);
  const aims: Aim[] = [];
  const add = (window: number, judge: (toMemory: Ratio, toFiles: Ratio, where: string) => Aim[]): void => {
    const row = ours(window);
    if (row?.toMemory === undefined || row.toFiles === undefined) return;
    aims.push(...judge(row.toMemory, row.toFiles, `${transport}, window ${window}`));
  };
  add(100, (memory, _, where) => [
    atLeast(`${where}, rate to Paho in memory, at least 2`, memory.rate, 2),
    atMost(`${where}, CPU to Paho in memory, at most 0.35`, memory.cpu, 0.35),
  ]);
  add(32, (memory, _, where) => [atLeast(`${where}, rate to Paho in memory, level (0.95)`, memory.rate, 0.95)]);
  add(16, (_, files, where) => [atLeast(`${where}, rate to Paho with files, at least 3`, files.rate, 3)]);
  add(1, (_, files, where) => [atLeast(`${where}, rate to Paho with files, at least 0.6`, files.rate, 0.6)]);
  return aims;
}

function tableOf(rows: readonly Row[]): string {
  const number = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? '-';
  const head = ['', 'window', 'client', 'events/s', 'CPU us', 'RSS MiB', 'loop p99 ms', 'sync ms'];
  const ratios = ['rate/memory', 'CPU/memory', 'rate/files', 'CPU/files'];
  const cells = rows.map((row) => [
    row.transport,
    String(row.window),
    row.client,
    number(row.perSecond, 0),
    number(row.cpuUsPerEvent, 1),
    number(row.rssMib, 1),
    number(row.delayP99Ms, 1),
    number(row.syncMs, 2),
    number(row.toMemory?.rate, 2),
    number(row.toMemory?.cpu, 2),
    number(row.toFiles?.rate, 2),
    number(row.toFiles?.cpu, 2),
  ]);
  return table([...head, ...ratios], cells, 3);
}

async function main(undo: Undo): Promise<void> {
  const directory = await mkdtemp(join(diskFolder(), 'fieldpost-delivery-'));
  undo.add(() => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  const stage = await setStage(directory, transports, options.dedupe, undo);
  if (stage.without !== undefined) process.stderr.write(`delivery: left out: ${stage.without}\n`);
  const rows = await measure(stage);
  const aims = transports.flatMap((transport) => aimsOf(rows, transport));
  const bytes = rows.find((row) => row.client === OURS)?.eventBytes;
  const how = `node ${process.version}, median of ${runs}, ${seconds} s each or ${events} events`;
  process.stdout.write(`${how}; payload of fieldpost ${bytes} bytes, of the others ${options.bytes}\n`);
  process.stdout.write(
    `${tableOf(rows)}memory, files: Paho C's; a bridge's CPU and RSS are its own, not its feeder's\n`,
  );
  process.stdout.write(aimLines(aims));
  if (!options.json) return;
  const report = {
    bench: 'delivery',
    node: process.version,
    runs,
    seconds,
    events,
    dedupe: options.dedupe,
    aims,
    rows,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

await runBenchmark('delivery', main);
