/**
 * A sample of `npm run unplug`: an unplug is seen within a second, whatever the line is doing, costs no processor time
 * afterwards, and nothing of the old device mixes with the next one. serialport's own reading is the control.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshSeed, seededRandom } from '../src/workbench/random.ts';
import { controlTrial } from './unplug/control.ts';
import { faultsOf, isBlind, runTrials } from './unplug/run.ts';
import { SITUATIONS } from './unplug/situations.ts';

const TRIALS_EACH = 5;
/** A reader that spins does so from its first millisecond; five of them would show all the more. */
const AFTER_MS = 400;

const seed = freshSeed();

test(`an unplug is seen within a second, and nothing is torn, strays or spins (seed ${seed})`, async (t) => {
  const random = seededRandom(seed);
  const rows = await runTrials(TRIALS_EACH * SITUATIONS.length, { random, afterMs: AFTER_MS });
  for (const { situation, slowestMs, cpuAfter } of rows)
    t.diagnostic(`${situation}: ${slowestMs.toFixed(1)} ms at most, then ${(cpuAfter * 100).toFixed(1)} % of a core`);
  assert.deepEqual(faultsOf(rows), []);
});

test('planted: before serialport as it comes, the same pull at full speed shows a fault', async (t) => {
  const full = SITUATIONS.find(({ name }) => name === 'full speed');
  assert.ok(full !== undefined);
  const { seenMs, cpu } = await controlTrial(full, seededRandom(seed), AFTER_MS);
  t.diagnostic(`seen: ${seenMs ?? 'no'}, then ${(cpu * 100).toFixed(0)} % of a core`);
  const seen = seenMs === undefined ? 0 : 1;
  assert.ok(!isBlind([{ situation: full.name, trials: 1, seen, slowestMs: seenMs ?? 0, cpuAfter: cpu }]));
});

test('planted: each fault of a row is told', () => {
  const sound = { situation: 'idle', trials: 3, seen: 3, slowestMs: 1, cpuAfter: 0.01, torn: 0, stray: 0 };
  assert.deepEqual(faultsOf([sound]), []);
  const faults = [{ seen: 2 }, { cpuAfter: 0.8 }, { torn: 1 }, { stray: 6 }];
  for (const fault of faults) assert.equal(faultsOf([{ ...sound, ...fault }]).length, 1);
});
