/** Group commit: an event waits for others, is accepted only when it is synced, and nothing else waits for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { StoredEvent } from '../../src/ledger/event.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { AppendResult, Clock } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';
import { openLedger, quietLog, sale, temporaryDirectory } from './rig.ts';
import { listAll } from './sample.ts';

const WINDOW_MS = 5000;

/** A clock whose commit windows end when the test says so; all its other timers are real. */
function handClock(): { readonly clock: Clock; readonly endWindow: () => void; readonly open: () => number } {
  const windows = new Set<() => void>();
  const after = (ms: number, run: () => void): ReturnType<Clock['after']> => {
    if (ms !== WINDOW_MS) return systemClock.after(ms, run);
    windows.add(run);
    return { cancel: () => void windows.delete(run) };
  };
  const endWindow = (): void => {
    const ending = [...windows];
    windows.clear();
    for (const run of ending) run();
  };
  return { clock: { ...systemClock, after }, endWindow, open: () => windows.size };
}

/** Long enough for a commit that should not happen, on any machine: many turns with the disk's answers between them. */
async function manyTurns(): Promise<void> {
  for (let turns = 0; turns < 200; turns += 1) await turn();
  await new Promise((resolve) => setTimeout(resolve, 50));
}

test('events of a window become one commit, and none is accepted or on disk before it', async (t) => {
  const hand = handClock();
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory, { clock: hand.clock, commitWindowMs: WINDOW_MS });
  const commits: number[] = [];
  // The ledger's own first event, which a busy disk takes its time for.
  await until(() => ledger.figures.last === 1, 'ledger.epoch', 10_000);
  ledger.onCommit(({ events }) => commits.push(events.length));
  const settled: AppendResult[] = [];
  const results = [1, 2, 3].map((seq) => ledger.append(sale(seq)));
  for (const result of results) result.then((found) => settled.push(found), assert.ifError);
  await manyTurns();
  assert.deepEqual([settled.length, commits.length, hand.open()], [0, 0, 1]);
  assert.equal((await listAll(directory)).filter(({ payload }) => payload.includes('"pump"')).length, 0);
  hand.endWindow();
  assert.deepEqual(new Set((await Promise.all(results)).map(({ kind }) => kind)), new Set(['accepted']));
  assert.deepEqual(commits, [3]);
  assert.equal(hand.open(), 0);
  await ledger.close();
});

test('a mark does not wait for the window, and leaves it open', async (t) => {
  const hand = handClock();
  const ledger = await openLedger(await temporaryDirectory(t), { clock: hand.clock, commitWindowMs: WINDOW_MS });
  const first = ledger.append(sale(1));
  hand.endWindow();
  const accepted = await first;
  assert.ok(accepted.kind === 'accepted');
  const second = ledger.append(sale(2));
  const marked = new Promise<readonly StoredEvent[]>((resolve) => ledger.onCommit(({ events }) => resolve(events)));
  ledger.release(ledger.drainingLife?.ordinal ?? 0, accepted.seq);
  assert.deepEqual(await marked, []);
  assert.equal(hand.open(), 1);
  hand.endWindow();
  assert.equal((await second).kind, 'accepted');
  await ledger.close();
});

test('a window that ends while a commit is at work is not waited for again', async (t) => {
  const hand = handClock();
  const ledger = await openLedger(await temporaryDirectory(t), { clock: hand.clock, commitWindowMs: WINDOW_MS });
  const first = ledger.append(sale(1));
  hand.endWindow();
  await turn();
  const second = ledger.append(sale(2));
  hand.endWindow();
  assert.deepEqual([(await first).kind, (await second).kind], ['accepted', 'accepted']);
  assert.equal(hand.open(), 0);
  await ledger.close();
});

test('a burst never waits for the window, and is not refused for it', async (t) => {
  const hand = handClock();
  const ledger = await openLedger(await temporaryDirectory(t), { clock: hand.clock, commitWindowMs: WINDOW_MS });
  const burst = Array.from({ length: 256 }, (_, at) => ledger.append(sale(at + 1)));
  const results = await Promise.all(burst);
  assert.ok(results.every(({ kind }) => kind === 'accepted'));
  await ledger.close();
});

test('a closing ledger commits what waits in the window', async (t) => {
  const hand = handClock();
  const log: string[] = [];
  const options = { clock: hand.clock, commitWindowMs: WINDOW_MS, log: quietLog(log) };
  const ledger = await openLedger(await temporaryDirectory(t), options);
  const waiting = ledger.append(sale(1));
  await ledger.close();
  assert.equal((await waiting).kind, 'accepted');
  assert.equal(hand.open(), 0);
});
