/** A bounded sample of `npm run config-trial`: a few changes that must not hold and one that must, with kill -9. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTrials } from './config-trial/run.ts';
import { SITUATIONS } from './config-trial/situations.ts';
import { setTrialStage } from './config-trial/stage.ts';
import { builtProgram } from './rig/agent-process.ts';
import { testRandom } from './rig/random.ts';
import { temporaryDirectory } from './rig/temp.ts';

const SAMPLE = [
  'broker that refuses the certificate',
  'sound broker, nobody confirms',
  'serial port that is missing',
  'not valid',
  'sound, confirmed over the link',
];

test('a change that nobody can confirm is taken back in time, over kill -9, and one that is confirmed stays', async (t) => {
  const { seed } = testRandom(t);
  const devices = SAMPLE.map((_, index) => `pump-${index}`);
  const stage = await setTrialStage(await temporaryDirectory(t), devices, builtProgram());
  t.after(() => stage.close());
  const situations = SITUATIONS.filter(({ name }) => SAMPLE.includes(name));
  const rows = await runTrials({ stage, runs: SAMPLE.length, seed, progress: () => undefined, situations });
  t.diagnostic(JSON.stringify(rows));
  assert.equal(rows.length, SAMPLE.length);
  assert.deepEqual(
    rows.filter(({ fault }) => fault !== undefined),
    [],
  );
});
