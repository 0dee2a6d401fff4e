/**
 * What a slow trickle of events writes to the card, and what `ledger.commitWindow` saves of it for which latency. An
 * event comes every 20 ms, is accepted, released and handed over half a round trip later each; the windows are measured in
 * turn on one disk. As root every sector of an ext4 on a loop device is counted, journal included.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makePlace, type Place, writtenBytes } from './rig/place.ts';
import { makeLedger } from './rig/product.ts';
import { median, table } from './rig/report.ts';

const WINDOWS_MS = [0, 100, 1000, 5000] as const;
const EVERY_MS = 20;
const HALF_TRIP_MS = 10;
const DISK_BYTES = 128 * 1024 * 1024;

interface Row {
  readonly windowMs: number;
  readonly bytesPerEvent: number;
  readonly commits: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

async function measure(place: Place, windowMs: number, events: number): Promise<Row> {
  const directory = join(place.directory, 'ledger');
  const ledger = makeLedger({ directory, maxBytes: DISK_BYTES, commitWindowMs: windowMs });
  await ledger.open();
  await pause(500);
  let commits = 0;
  ledger.onCommit(() => (commits += 1));
  const latencies: number[] = [];
  const one = async (number: number): Promise<void> => {
    const from = performance.now();
    const data = { volume: { value: `${number}.250`, unit: 'l', quality: 'good' } } as const;
    const source = { epoch: 'a1', seq: String(number) };
    const result = await ledger.append({ sensor: 'pump', stream: 'sale', type: 'delivery', data, source });
    if (result.kind !== 'accepted') throw new Error(`append was ${JSON.stringify(result)}`);
    latencies.push(performance.now() - from);
    await pause(HALF_TRIP_MS);
    const life = ledger.drainingLife?.ordinal ?? 1;
    ledger.release(life, result.seq);
    await pause(HALF_TRIP_MS);
    ledger.handOver(life, result.seq);
  };
  const before = writtenBytes(place);
  const underway: Promise<void>[] = [];
  for (let number = 1; number <= events; number += 1) {
    underway.push(one(number));
    await pause(EVERY_MS);
  }
  await Promise.all(underway);
  await pause(500);
  const bytesPerEvent = (writtenBytes(place) - before) / events;
  await ledger.close();
  await rm(directory, { recursive: true });
  return { windowMs, bytesPerEvent, commits, medianMs: median(latencies), worstMs: Math.max(...latencies) };
}

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, events: { type: 'string', default: '1000' } },
});
const place = await makePlace('wear', DISK_BYTES);
const rows: Row[] = [];
try {
  for (const windowMs of WINDOWS_MS) rows.push(await measure(place, windowMs, Number(options.events)));
} finally {
  await place.leave();
}
const none = rows[0]?.bytesPerEvent ?? Number.NaN;
process.stdout.write(`bytes: ${place.how}; an event every ${EVERY_MS} ms\n`);
const head = ['commitWindow', 'written B/event', 'ratio', 'commits', 'accepted after ms', 'worst ms'];
const cells = rows.map((row) => [
  `${row.windowMs} ms`,
  row.bytesPerEvent.toFixed(0),
  (row.bytesPerEvent / none).toFixed(2),
  String(row.commits),
  row.medianMs.toFixed(1),
  row.worstMs.toFixed(0),
]);
process.stdout.write(table(head, cells, 0));
if (options.json) process.stdout.write(`${JSON.stringify({ bench: 'wear', bytes: place.how, rows })}\n`);
