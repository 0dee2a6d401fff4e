/** What is given up, or lost, is named to the consumer, and never comes after that; what is not named yet is not given up. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { Life } from '../../src/ledger/state.ts';
import { until } from '../rig/wait.ts';
import { appendSales, openLedger, temporaryDirectory } from './rig.ts';

const DEADLINE_MS = 20_000;

function lifeOf(ledger: Ledger): Life {
  const [life] = ledger.settlement.lives;
  assert.ok(life);
  return life;
}

function session(generation: number): Parameters<Ledger['markSession']>[0] {
  return { generation, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' };
}

async function withDeadLetters(directory: string, count: number): Promise<{ ledger: Ledger; dead: readonly number[] }> {
  const ledger = await openLedger(directory, { receipts: true, segmentBytes: 1024 * 1024 });
  const results = await appendSales(ledger, 1, count);
  const dead = results.flatMap((result) => (result.kind === 'accepted' ? [result.seq] : []));
  for (const seq of dead) ledger.bury(1, seq, 0x99);
  await ledger.markSession(session(1));
  assert.equal(ledger.figures.dead, count);
  return { ledger, dead };
}

test('a dead letter that was given up does not come again after a restart, also for a broker that forgot', async (t) => {
  const directory = await temporaryDirectory(t);
  const { ledger, dead } = await withDeadLetters(directory, 3);
  const [, seq] = dead;
  assert.ok(seq !== undefined);
  assert.equal(ledger.settlement.giveUp(lifeOf(ledger), seq), true);
  await ledger.markSession(session(2));
  await ledger.close();
  const again = await openLedger(directory, { receipts: true, segmentBytes: 1024 * 1024 });
  const life = lifeOf(again);
  assert.deepEqual([life.lost.intervals(), life.settled.has(seq)], [[[seq, seq]], true]);
  assert.equal(await again.hashAt(life, seq), undefined);
  await again.markSession(session(3), true);
  assert.equal(again.settlement.reopen(life, 1, life.last).size, dead.length - 1);
  await again.markSession(session(4));
  assert.ok(!life.reopened.has(seq));
  await again.close();
});

test('of more dead letters than a commit names, a kill gives up those alone that are named', async (t) => {
  const directory = join(await temporaryDirectory(t), 'ledger');
  const { ledger, dead } = await withDeadLetters(directory, 200);
  const killed = join(directory, '..', 'killed');
  let commits = 0;
  ledger.onCommit(() => {
    commits += 1;
    if (commits === 1) cpSync(directory, killed, { recursive: true });
  });
  for (const seq of dead) assert.equal(ledger.settlement.giveUp(lifeOf(ledger), seq), true);
  await until(() => commits > 0, 'the first commit', DEADLINE_MS);
  const found = await openLedger(killed, { receipts: true, segmentBytes: 1024 * 1024 });
  const { lost, dead: left } = lifeOf(found);
  assert.ok(lost.size > 0 && left.size > 0);
  for (const seq of dead) assert.notEqual(lost.has(seq), left.has(seq), `${seq} is named, or still a dead letter`);
  await found.close();
  await ledger.close();
  const again = await openLedger(directory, { receipts: true, segmentBytes: 1024 * 1024 });
  assert.deepEqual([again.figures.dead, lifeOf(again).lost.size], [0, dead.length]);
  await again.close();
});
