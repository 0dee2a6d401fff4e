/** The state machine of trials and its disk, on a model of the worst disk that keeps its word, ended at every step. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRandom } from '../rig/random.ts';
import { type Fault, liveOnce } from './model.ts';

const LIVES = 800;
/** The hole is narrow: between a rename and the sync of its name. */
const CONTROL_LIVES = 8000;

/** At most so many, in at most so many lives. */
async function violations(seed: number, fault: Fault, enough: number, lives = LIVES): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; at < lives && found.length < enough; at += 1) {
    const wrong = await liveOnce(seed + at, fault);
    if (wrong !== undefined) found.push(`seed ${seed + at}: ${wrong}`);
  }
  return found;
}

test('whenever the process or the power ends, what was confirmed holds, what was not is gone, and a change is possible', async (t) => {
  const { seed } = testRandom(t);
  assert.deepEqual(await violations(seed, 'none', 1), []);
});

test('control: without a sync at the start, something that was told to be good is lost', async (t) => {
  const { seed } = testRandom(t);
  const found = await violations(seed, 'no sync at the start', 1, CONTROL_LIVES);
  assert.ok(found.length > 0);
});

test('control: without any sync much is lost', async (t) => {
  const { seed } = testRandom(t);
  const found = await violations(seed, 'no sync at all', 20);
  assert.equal(found.length, 20);
});
