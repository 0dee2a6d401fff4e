/** A sample ledger with everything in it, and a look at any ledger directory, for the damage and crash tests. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { ledgerReader } from '../../src/platform/ledger-files.ts';
import { type Verdict, verifyLedger } from '../../src/ledger/verify.ts';
import { viewedEvents, viewLedger } from '../../src/ledger/view.ts';
import type { AppendResult } from '../../src/ports.ts';
import { openLedger, quietLog, sale } from './rig.ts';

export const SEGMENT_BYTES = 16 * 1024;

export interface Sample {
  readonly directory: string;
  readonly epoch: string;
  /** Sequence to the event's bytes. */
  readonly events: ReadonlyMap<number, Buffer>;
}

/** Some segments of sales in small commits, with marks, session marks, a dead letter, and unsent events at the end. */
export async function fill(ledger: Ledger, sales: number): Promise<void> {
  const session = { generation: 1, life: 1, broker: 'b', client: 'c', root: 'fp/v1', phase: 'open' as const };
  await ledger.markSession(session);
  let handed = 0;
  for (let from = 1; from <= sales; from += 5) {
    const batch = Array.from({ length: Math.min(5, sales - from + 1) }, (_, at) => ledger.append(sale(from + at)));
    const results = await Promise.all(batch);
    assert.ok(results.every((result) => result.kind === 'accepted'));
    const last = ledger.figures.last;
    ledger.noteSent(from > sales / 2 ? 2 : 1, 1, last);
    if (from === 51) ledger.bury(1, 17, 0x99);
    while (handed < last - 12) {
      handed += 1;
      ledger.release(1, handed);
      if (handed !== 17) ledger.handOver(1, handed);
    }
    if (from <= sales / 2 && from + 5 > sales / 2) await ledger.markSession({ ...session, generation: 2 });
  }
}

/** A sample in a new directory: `closed` after a clean stop, else as kill -9 leaves it. The caller removes it. */
export async function makeSample(sales: number, closed: boolean): Promise<Sample> {
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-sample-'));
  const made = join(directory, 'made');
  const ledger = await openLedger(made, { segmentBytes: SEGMENT_BYTES });
  await fill(ledger, sales);
  // The last handed marks are lazy: wait for the commit that carries them, so that nothing is under way.
  await pause(150);
  const copy = join(directory, 'copy');
  if (!closed) await cp(made, copy, { recursive: true });
  const epoch = ledger.figures.epoch;
  await ledger.close();
  if (closed) await cp(made, copy, { recursive: true });
  await rm(made, { recursive: true });
  const events = new Map((await listAll(copy)).map((event) => [event.seq, event.payload]));
  assert.equal(events.size, sales + 1);
  return { directory: copy, epoch, events };
}

export async function listAll(directory: string): Promise<{ epoch: string; seq: number; payload: Buffer }[]> {
  const files = ledgerReader(directory);
  const events: { epoch: string; seq: number; payload: Buffer }[] = [];
  for await (const { epoch, seq, payload } of viewedEvents(files, await viewLedger(files, () => Promise.resolve()))) {
    events.push({ epoch, seq, payload });
  }
  return events;
}

export async function verifyDirectory(directory: string): Promise<Verdict> {
  const files = ledgerReader(directory);
  return verifyLedger(files, await viewLedger(files, () => Promise.resolve()), () => undefined);
}

export interface Aftermath {
  readonly log: readonly string[];
  readonly appended: readonly AppendResult[];
  readonly repeats: readonly AppendResult[];
  readonly epoch: string;
  readonly events: readonly { epoch: string; seq: number; payload: Buffer }[];
  readonly phase: string | undefined;
  readonly quarantined: number;
}

/** Opens a (damaged) ledger as the agent would: drains it, appends to it, repeats old sales, closes, lists. */
export async function live(directory: string, repeats: readonly number[]): Promise<Aftermath> {
  const log: string[] = [];
  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES, log: quietLog(log) });
  const phase = ledger.session?.phase;
  for (let rounds = 0; rounds < 50; rounds += 1) {
    const life = ledger.drainingLife;
    if (life === undefined) break;
    const { next } = await ledger.read(life, life.first, 1024 * 1024);
    for (let seq = life.first; seq < next; seq += 1) if (!life.handed.has(seq)) ledger.handOver(life.ordinal, seq);
    await pause(0);
    if (ledger.drainingLife === life) break;
  }
  const repeated = await Promise.all(repeats.map((seq) => ledger.append(sale(seq))));
  const appended = await Promise.all([9001, 9002].map((seq) => ledger.append(sale(seq))));
  const { epoch, quarantined } = ledger.figures;
  await ledger.close();
  return { log, appended, repeats: repeated, epoch, events: await listAll(directory), phase, quarantined };
}

export async function segmentNames(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort();
}

/** A small seeded generator (mulberry32), so that a failing sample can be run again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
