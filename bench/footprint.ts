/**
 * What the shipped agent takes of a small machine: memory, processor time to be ready and when idle, wakeups, threads and
 * descriptors. dist/fieldpost.mjs runs as a process of its own, connected over mutual TLS to a real mosquitto, with one
 * meter on a pseudo-terminal that sends a temperature a second, each of which becomes one sample at the broker.
 *
 * Rows are measured in turn in one run, so that their ratios mean something: the agent as systemd/fieldpost.service starts
 * it (flags and environment are read from that file), the same on plain node, an empty node as the floor, and the agent
 * with its packages loaded from node_modules, which is what bundling saves. Beside it what others use: a Mosquitto bridge, and
 * Paho's Python client (Debian's python3-paho-mqtt); with `--node-red` also Node-RED, which npm puts into a temporary
 * folder (`--node-red-in DIR` into that one, or takes it from there).
 * `--alone` leaves these out. `--try '<NAME=value and node flags>'` adds a
 * row with these in place of the unit's, as often as it is given. Every agent is started once before it is measured: what
 * counts is the start of a machine that has a ledger, not the only start that has none.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figures, measure } from './footprint/measure.ts';
import { installNodeRed } from './footprint/node-red.ts';
import { peers } from './footprint/peers.ts';
import { setStage } from './footprint/stage.ts';
import { type Variant, variantsOf } from './footprint/variants.ts';
import { medians } from './rig/report.ts';
import { runBenchmark } from './rig/run.ts';
import { makeTemporaryDirectory } from '../src/workbench/temp.ts';
import type { Undo } from '../src/workbench/undo.ts';

const FIGURES: readonly { readonly key: keyof Figures; readonly text: string; readonly aim?: number }[] = [
  { key: 'rssMib', text: 'RSS, MiB', aim: 60 },
  { key: 'privateDirtyMib', text: 'private dirty, MiB', aim: 18 },
  { key: 'readyCpuMs', text: 'CPU to ready, ms', aim: 220 },
  { key: 'readyWallMs', text: 'wall to ready, ms' },
  { key: 'idleCpuMsPerSecond', text: 'CPU at 1 Hz, ms/s', aim: 4 },
  { key: 'wakeupsPerSecond', text: 'wakeups at 1 Hz, 1/s' },
  { key: 'threads', text: 'threads' },
  { key: 'descriptors', text: 'open descriptors' },
  { key: 'fileKib', text: 'file, KiB' },
];

function verdict(value: number, aim: number): 'met' | 'missed' {
  return value <= aim ? 'met' : 'missed';
}

interface Result extends Variant {
  readonly figures: Figures;
  readonly runs: readonly Figures[];
}

function table(results: readonly Result[]): string {
  const number = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(value < 100 ? 1 : 0));
  const whole = (key: keyof Figures, value: number): string =>
    ['threads', 'descriptors', 'fileKib'].includes(key) && !Number.isNaN(value) ? value.toFixed(0) : number(value);
  const head = ['', ...results.map((result) => result.name), 'aim', ''];
  const rows = FIGURES.map(({ key, text, aim }) => [
    text,
    ...results.map((result) => whole(key, result.figures[key])),
    aim === undefined ? '' : String(aim),
    aim === undefined ? '' : verdict(results[0]?.figures[key] ?? Number.NaN, aim),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ');
  return [head, ...rows].map((row) => `${line(row).trimEnd()}\n`).join('');
}

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '30' },
    runs: { type: 'string', default: '3' },
    host: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    'node-red': { type: 'boolean', default: false },
    'node-red-in': { type: 'string' },
    try: { type: 'string', multiple: true, default: [] },
  },
});
const seconds = Number(options.seconds);
const runs = Number(options.runs);
if (!(seconds >= 1 && runs >= 1)) throw new Error('--seconds and --runs must be 1 or more');

async function main(undo: Undo): Promise<void> {
  const directory = await makeTemporaryDirectory('footprint');
  undo.add(directory.remove);
  const nodeRedAt = options['node-red-in'] ?? (options['node-red'] ? join(directory.path, 'node-red') : undefined);
  const nodeRed = nodeRedAt === undefined ? undefined : await installNodeRed(nodeRedAt);
  const others = options.alone ? [] : peers(nodeRed);
  const variants = await variantsOf(options.try, others, directory.path);
  const stage = await setStage(directory.path, options.host, undo);
  const taken = variants.map((): Figures[] => []);
  for (let run = 0; run < runs; run += 1) {
    for (const [at, variant] of variants.entries()) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Krun ${run + 1} of ${runs}: ${variant.name} `);
      taken[at]?.push(await measure(stage, variant, `device-${run}-${at}`, seconds, undo));
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const results = variants.map((variant, at) => ({
    ...variant,
    figures: medians<keyof Figures>(taken[at] ?? []),
    runs: taken[at] ?? [],
  }));
  const how = `node ${process.version}, median of ${runs}, ${seconds} s each, host metrics ${options.host ? 'on' : 'off'}`;
  process.stdout.write(`${how}\n${table(results)}`);
  for (const { name, environment, flags } of results) {
    const given = [...environment, ...flags].join(' ');
    if (given !== '') process.stdout.write(`${name}: ${given}\n`);
  }
  if (!options.json) return;
  const aims = FIGURES.flatMap(({ key, aim }) => {
    const value = results[0]?.figures[key] ?? Number.NaN;
    return aim === undefined ? [] : [{ figure: key, aim, value, verdict: verdict(value, aim) }];
  });
  const rows = results.map(({ name, environment, flags, figures, runs: each }) => ({
    name,
    environment,
    flags,
    figures,
    runs: each,
  }));
  const report = { bench: 'footprint', node: process.version, seconds, runs, host: options.host, aims, rows };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

await runBenchmark('footprint', main);
