/**
 * How fast the ledger accepts events, beside what the disk itself can do with the same bytes in the same batches: one
 * process, the same asynchronous calls of node:fs, rounds in turn, medians. `raw` appends and syncs (write + fdatasync);
 * `prealloc` writes into zero-filled space through O_DSYNC, as the ledger does. As root everything happens on a small
 * ext4 of its own on a loop device, whose sectors are counted: journal, zero-filling and late metadata included. Else the
 * temporary directory is used and the figure is /proc/self/io's write_bytes, which knows nothing of the journal. A loop
 * device syncs in a fraction of a millisecond, where the processor decides; `--slow` adds milliseconds to each sync of
 * ledger and raw alike, which is what a memory card does.
 */
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { EventDraft } from '../src/ports.ts';
import { makePlace, type Place, writtenBytes } from './rig/place.ts';
import { makeLedger, SEGMENT_BYTES } from './rig/product.ts';
import { median } from './rig/report.ts';

const PRODUCERS = [1, 10, 100] as const;
const DISK_BYTES = 512 * 1024 * 1024;

interface Round {
  readonly perSecond: number;
  readonly bytesPerEvent: number;
  readonly delayP99Ms: number;
  readonly eventBytes: number;
  readonly batch: number;
}

function draft(number: number): EventDraft {
  return {
    sensor: 'pump',
    stream: 'sale',
    type: 'delivery',
    data: { volume: { value: `${number % 100}.250`, unit: 'l', quality: 'good' } },
    source: { epoch: 'a1', seq: String(number) },
  };
}

/** Runs `producers` closed loops of `one` for a while. */
async function drive(producers: number, ms: number, one: () => Promise<void>): Promise<number> {
  let count = 0;
  const until = performance.now() + ms;
  const loop = async (): Promise<void> => {
    while (performance.now() < until) {
      await one();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: producers }, loop));
  return count;
}

async function measure(
  place: Place,
  producers: number,
  ms: number,
  one: () => Promise<void>,
): Promise<Pick<Round, 'perSecond' | 'bytesPerEvent' | 'delayP99Ms'>> {
  const before = writtenBytes(place);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const from = performance.now();
  const count = await drive(producers, ms, one);
  const seconds = (performance.now() - from) / 1000;
  delay.disable();
  const bytesPerEvent = (writtenBytes(place) - before) / count;
  return { perSecond: count / seconds, bytesPerEvent, delayP99Ms: delay.percentile(99) / 1e6 };
}

async function ledgerRound(place: Place, producers: number, ms: number, slowMs: number): Promise<Round> {
  const directory = join(place.directory, 'ledger');
  const onSynced = slowMs > 0 ? { onSynced: (): Promise<void> => pause(slowMs) } : {};
  const ledger = makeLedger({ directory, maxBytes: DISK_BYTES, ...onSynced });
  await ledger.open();
  let number = 0;
  let commits = 0;
  let events = 0;
  let bytes = 0;
  const append = async (): Promise<void> => {
    number += 1;
    const result = await ledger.append(draft(number));
    if (result.kind !== 'accepted') throw new Error(`append was ${JSON.stringify(result)}`);
  };
  await drive(producers, 200, append);
  ledger.onCommit((commit) => {
    commits += 1;
    events += commit.events.length;
    for (const { payload } of commit.events) bytes += payload.length;
  });
  const figures = await measure(place, producers, ms, append);
  await ledger.close();
  await rm(directory, { recursive: true });
  return { ...figures, eventBytes: bytes / events, batch: events / commits };
}

/** The same bytes in the same batches without a ledger. */
async function rawRound(
  place: Place,
  batch: number,
  eventBytes: number,
  ms: number,
  preallocated: boolean,
  slowMs: number,
): Promise<Round> {
  const path = join(place.directory, 'raw');
  const size = Math.round(batch * eventBytes);
  const bytes = Buffer.alloc(size, 0x2e);
  const sync = preallocated ? constants.O_DSYNC : 0;
  if (preallocated) {
    const zeros = await open(path, 'w');
    for (let at = 0; at < 24 * SEGMENT_BYTES; at += SEGMENT_BYTES)
      await zeros.write(Buffer.alloc(SEGMENT_BYTES), 0, SEGMENT_BYTES, at);
    await zeros.sync();
    await zeros.close();
  }
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | sync);
  let at = 0;
  const one = async (): Promise<void> => {
    await file.write(bytes, 0, size, at);
    if (!preallocated) await file.datasync();
    if (slowMs > 0) await pause(slowMs);
    at += size;
    if (preallocated && at + size > 24 * SEGMENT_BYTES) at = 0;
  };
  await drive(1, 200, one);
  const figures = await measure(place, 1, ms, one);
  await file.close();
  await rm(path);
  const perCommit = { perSecond: figures.perSecond * batch, bytesPerEvent: figures.bytesPerEvent / batch };
  return { ...perCommit, delayP99Ms: figures.delayP99Ms, eventBytes, batch };
}

function summary(rounds: readonly Round[]): Round {
  const of = (name: keyof Round): number => median(rounds.map((round) => round[name]));
  return {
    perSecond: of('perSecond'),
    bytesPerEvent: of('bytesPerEvent'),
    delayP99Ms: of('delayP99Ms'),
    eventBytes: of('eventBytes'),
    batch: of('batch'),
  };
}

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '1500' },
    slow: { type: 'string', default: '0' },
  },
});
const ms = Number(options.ms);
const slowMs = Number(options.slow);
const place = await makePlace('bench', DISK_BYTES);
const results: { producers: number; ratio: number; ledger: Round; raw: Round; prealloc: Round }[] = [];
try {
  for (const producers of PRODUCERS) {
    const ledger: Round[] = [];
    const raw: Round[] = [];
    const prealloc: Round[] = [];
    for (let round = 0; round < Number(options.rounds); round += 1) {
      if (process.stderr.isTTY)
        process.stderr.write(`\r${producers} producers, round ${round + 1} of ${options.rounds} `);
      const ours = await ledgerRound(place, producers, ms, slowMs);
      ledger.push(ours);
      raw.push(await rawRound(place, ours.batch, ours.eventBytes, ms, false, slowMs));
      prealloc.push(await rawRound(place, ours.batch, ours.eventBytes, ms, true, slowMs));
    }
    const ratio = median(ledger.map((ours, at) => ours.perSecond / (raw[at]?.perSecond ?? Number.NaN)));
    results.push({ producers, ratio, ledger: summary(ledger), raw: summary(raw), prealloc: summary(prealloc) });
  }
} finally {
  await place.leave();
}
if (process.stderr.isTTY) process.stderr.write('\n');
process.stdout.write(`bytes: ${place.how}\n`);
process.stdout.write('producers  what      events/s  ratio  batch  event B  written B/event  loop delay p99 ms\n');
for (const { producers, ledger, raw, prealloc } of results) {
  for (const [name, figures] of Object.entries({ ledger, raw, prealloc })) {
    const cells = [
      String(producers).padStart(9),
      name.padEnd(8),
      figures.perSecond.toFixed(0).padStart(9),
      (figures.perSecond / raw.perSecond).toFixed(2).padStart(5),
      figures.batch.toFixed(1).padStart(5),
      figures.eventBytes.toFixed(0).padStart(7),
      figures.bytesPerEvent.toFixed(0).padStart(15),
      figures.delayP99Ms.toFixed(1).padStart(17),
    ];
    process.stdout.write(`${cells.join('  ')}\n`);
  }
}
if (options.json)
  process.stdout.write(`${JSON.stringify({ bench: 'ledger', slow_ms: slowMs, bytes: place.how, results })}\n`);
