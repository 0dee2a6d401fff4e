/** What is to be sent again is kept, from the moment it is asked for; and what was dropped before is not asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { LedgerFiles } from '../../src/ledger/files.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { Life } from '../../src/ledger/state.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';
import { faultyFiles } from './faulty-files.ts';
import { openLedger, quietLog, readAll, sale, temporaryDirectory } from './rig.ts';
import { verifyDirectory } from './sample.ts';

const DEADLINE_MS = 10_000;
const RAW = Buffer.alloc(1500, 7);
/** The look of every minute comes after 15 ms. */
const HASTE = 4000;

function lifeOf(ledger: Ledger): Life {
  const [life] = ledger.settlement.lives;
  assert.ok(life);
  return life;
}

async function sellAndHandOver(ledger: Ledger): Promise<void> {
  const sold = await ledger.append({ ...sale(ledger.figures.last), raw: RAW });
  assert.ok(sold.kind === 'accepted');
  ledger.handOver(1, sold.seq);
}

/** All is handed over, some was dropped already, and the next event would need the oldest segment's room. */
async function fill(ledger: Ledger, maxBytes: number): Promise<void> {
  ledger.handOver(1, 1);
  while (ledger.figures.first === 1) await sellAndHandOver(ledger);
  while (ledger.figures.bytes + 2 * RAW.length < maxBytes) await sellAndHandOver(ledger);
  await until(() => ledger.figures.unsent === 0, 'all handed over', DEADLINE_MS);
}

/** Opens it once more: nothing is damaged, and what is to be sent again is `reopened` and can be read. */
async function judge(directory: string, reopened: readonly (readonly [number, number])[]): Promise<void> {
  assert.deepEqual((await verifyDirectory(directory)).problems, []);
  const log: string[] = [];
  const ledger = await openLedger(directory, { log: quietLog(log) });
  const kept = new Set((await readAll(ledger)).map(({ seq }) => seq));
  assert.deepEqual(lifeOf(ledger).reopened.intervals(), reopened);
  for (const [from, through] of reopened) for (let seq = from; seq <= through; seq += 1) assert.ok(kept.has(seq));
  assert.deepEqual(log, []);
  await ledger.close();
  assert.deepEqual((await verifyDirectory(directory)).problems, []);
}

test('a full ledger does not drop what one and the same commit sends again', async (t) => {
  const directory = await temporaryDirectory(t);
  const maxBytes = 4 * 64 * 1024;
  const ledger = await openLedger(directory, { maxBytes });
  await fill(ledger, maxBytes);
  const life = lifeOf(ledger);
  const { first } = life;
  const sold = ledger.append({ ...sale(9000), raw: Buffer.alloc(4000) });
  assert.equal(ledger.settlement.reopen(life, first, first + 3).size, 4);
  const answer = await sold;
  assert.equal(answer.kind === 'refused' ? answer.code : '', 'ledger.full');
  await until(() => life.reopened.size === 4, 'the marks', DEADLINE_MS);
  assert.equal(life.first, first);
  await ledger.close();
  await judge(directory, [[first, first + 3]]);
});

test('what waits for a failing disk to be sent again is not dropped meanwhile', async (t) => {
  const directory = await temporaryDirectory(t);
  const maxBytes = 4 * 64 * 1024;
  const files = faultyFiles(directory);
  const clock: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 20, run) };
  const ledger = await openLedger(directory, { maxBytes, files, clock });
  await fill(ledger, maxBytes);
  const life = lifeOf(ledger);
  const { first } = life;
  files.fault = { op: 'write', at: (files.calls.write ?? 0) + 1, times: 1_000_000, error: 'EIO' };
  ledger.settlement.reopen(life, first, first + 3);
  await until(() => files.struck > 0, 'the failure', DEADLINE_MS);
  assert.equal((await ledger.append({ ...sale(9000), raw: Buffer.alloc(4000) })).kind, 'refused');
  files.fault = undefined;
  await until(() => life.reopened.size === 4, 'the marks', DEADLINE_MS);
  assert.equal(life.first, first);
  await ledger.close();
  await judge(directory, [[first, first + 3]]);
});

test('what is asked for while its segment is being removed is not marked as to be sent again', async (t) => {
  const directory = await temporaryDirectory(t);
  const real = ledgerFiles(directory);
  const world = { wallMs: Date.UTC(2026, 10, 24), removing: 0 };
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const files: LedgerFiles = {
    ...real,
    remove: async (names) => {
      if (names.some((name) => name.endsWith('.seg'))) {
        world.removing += 1;
        await released;
      }
      await real.remove(names);
    },
  };
  const clock: Clock = {
    ...systemClock,
    wallMs: () => world.wallMs,
    quality: () => 'synced',
    after: (ms, run) => systemClock.after(ms / HASTE, run),
  };
  const ledger = await openLedger(directory, { files, clock });
  ledger.handOver(1, 1);
  for (let sales = 0; sales < 60; sales += 1) await sellAndHandOver(ledger);
  await until(() => ledger.figures.unsent === 0, 'all handed over', DEADLINE_MS);
  world.wallMs += 365 * 86_400_000;
  await until(() => world.removing === 1, 'the removal', DEADLINE_MS);
  const life = lifeOf(ledger);
  ledger.settlement.reopen(life, 3, 6);
  const sold = ledger.append({ ...sale(9000), raw: RAW });
  // The commit would have been written by now, with the marks in it.
  await pause(100);
  release();
  assert.equal((await sold).kind, 'accepted');
  await until(() => life.first > 6, 'the drop', DEADLINE_MS);
  await ledger.close();
  await judge(directory, []);
});
