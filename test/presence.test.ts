/** A bounded sample of `npm run presence`, and the readers by themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../src/workbench/random.ts';
import { contractReader, naiveReader } from './presence/readers.ts';
import { FAULTS, planFaults, runPresence, VALID_FOR_MS } from './presence/run.ts';
import { builtProgram } from './rig/agent-process.ts';
import { testRandom } from './rig/random.ts';

const FAULTS_RUN = 8;

test('a reader that follows the contract is never wrong for longer than valid_for, over kills, cuts, restarts and takeovers', async (t) => {
  const { seed } = testRandom(t);
  const result = await runPresence({ runs: FAULTS_RUN, seed, program: builtProgram() });
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.worstMs <= VALID_FOR_MS, `wrong for ${result.worstMs} ms`);
  assert.ok(
    result.naiveWorstMs > VALID_FOR_MS,
    `control: the naive reader was wrong for ${result.naiveWorstMs} ms only`,
  );
  assert.ok(FAULTS.every((fault) => result.faults[fault] > 0));
});

test('the same seed gives the same faults, and the short sample has one of each', () => {
  assert.deepEqual(planFaults(seededRandom(7), 100), planFaults(seededRandom(7), 100));
  assert.deepEqual(new Set(planFaults(seededRandom(1), FAULTS_RUN)), new Set(FAULTS));
});

test('the contract reader ignores the will of an old session and a replay of what it knows, and doubts what is old', () => {
  const reader = contractReader();
  const online = (session: string): object => ({ state: 'online', session, valid_for: 15 });
  reader.take({ session: 'a', state: 'online', valid_for: 15 }, false, 0);
  reader.take({ session: 'b', state: 'online', valid_for: 15 }, false, 100);
  reader.take({ state: 'offline', session: 'a' }, false, 200);
  assert.equal(reader.belief(300), 'online');
  reader.take({ ...online('b'), state: 'online', session: 'b' }, true, 14_000);
  assert.equal(reader.belief(15_100), 'online');
  assert.equal(reader.belief(15_101), 'doubt');
  reader.take({ state: 'offline', session: 'b' }, false, 20_000);
  assert.equal(reader.belief(20_000), 'offline');
  const naive = naiveReader();
  naive.take({ session: 'b', state: 'online' }, false, 100);
  naive.take({ state: 'offline', session: 'a' }, false, 200);
  assert.equal(naive.belief(300), 'offline');
});
