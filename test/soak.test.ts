/** A bounded sample of `npm run soak`, and what judges a soak by itself. No figure of memory is asserted: that is the soak's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../src/workbench/random.ts';
import { BUILT, builtProgram } from './rig/agent-process.ts';
import { testRandom } from './rig/random.ts';
import { fitSlope, judgeSlope, type Point } from './soak/fit.ts';
import { FAULTS, planSoak } from './soak/plan.ts';
import { growthOf, reportOf } from './soak/report.ts';
import { runSoak, type SoakResult } from './soak/run.ts';

const MINUTES = 0.1;

test('under load, cuts, restarts and unplugged lines nothing is lost or doubled, and descriptors come back to their number', async (t) => {
  builtProgram();
  const { seed } = testRandom(t);
  const result = await runSoak({ minutes: MINUTES, seed, salesPerSecond: 100, file: BUILT });
  const { samples, ...told } = result;
  t.diagnostic(JSON.stringify({ ...told, samples: samples.length }));
  assert.deepEqual(reportOf(result).faults, []);
  const { descriptors, bill, faults, commands } = result;
  assert.equal(descriptors.after.length, descriptors.before.length);
  assert.ok(bill.received > 0 && bill.received === bill.accepted);
  assert.ok(FAULTS.every((name) => faults[name] > 0 || (name === 'unplug' && process.getuid?.() !== 0)));
  assert.ok(commands.asked > 0);
});

test('the fit finds a leak under the noise of collections, and rules one out where there is none', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const still = judgeSlope(fitSlope(sawtooth(seed, 0)), 1);
    assert.equal(still, 'met', `seed ${seed}, no leak`);
    assert.equal(judgeSlope(fitSlope(sawtooth(seed, 3)), 1), 'missed', `seed ${seed}, 3 MiB a month`);
    const { slope, low, high } = fitSlope(sawtooth(seed, 3));
    assert.ok(low < 3 && 3 < high && Math.abs(slope - 3) < 1, `seed ${seed}: ${low} ${slope} ${high}`);
  }
});

test('a slope that too few or too noisy samples give is neither met nor missed', () => {
  assert.equal(judgeSlope(fitSlope(sawtooth(1, 3).slice(0, 10)), 1), 'not told');
  assert.equal(judgeSlope(fitSlope([]), 1), 'not told');
  assert.equal(judgeSlope({ slope: 5, low: -5, high: 15 }, 1), 'not told');
  const atOnce = sawtooth(1, 0).map(({ y }) => ({ x: 1, y }));
  assert.equal(judgeSlope(fitSlope(atOnce), 1), 'not told');
});

test('the first third, where pools fill, does not count as growth', () => {
  const samples = Array.from({ length: 600 }, (_, at) => ({
    ms: at * 1000,
    accepted: at * 200,
    received: at * 200,
    rssMib: at < 200 ? 40 + at / 10 : 60 + (at % 7) / 10,
    privateDirtyMib: 18,
    descriptors: 20,
    threads: 8,
  }));
  assert.equal(growthOf(samples, ({ rssMib }) => rssMib).verdict, 'met');
});

test('a lost sale, one billed twice, a descriptor left open and a watchdog that was not fed are each a failure', () => {
  const faultsOf = (change: Partial<SoakResult>): string => reportOf({ ...SOUND, ...change }).faults.join('; ');
  assert.equal(faultsOf({}), '');
  assert.match(faultsOf({ bill: { ...SOUND.bill, lost: 1 } }), /1 accepted sales were lost/);
  assert.match(faultsOf({ bill: { ...SOUND.bill, duplicates: 1 } }), /billed twice/);
  assert.match(faultsOf({ descriptors: { before: ['socket'], after: ['pipe', 'socket'] } }), /1 more.*: pipe$/);
  assert.match(faultsOf({ watchdog: 1 }), /watchdog/);
});

test('the same seed plans the same faults, and a short soak has one of each', () => {
  assert.deepEqual(planSoak(seededRandom(7), 10), planSoak(seededRandom(7), 10));
  for (const minutes of [MINUTES, 1, 10]) {
    const plan = planSoak(seededRandom(1), minutes);
    assert.deepEqual(new Set(plan.map(({ name }) => name)), new Set(FAULTS));
    assert.ok(plan.every(({ atMs }) => atMs < minutes * 60_000));
  }
});

/** Ten minutes of a memory that grows by `perMonth` beside collections of 3 MiB and noise; x in months. */
function sawtooth(seed: number, perMonth: number): Point[] {
  const random = seededRandom(seed);
  return Array.from({ length: 400 }, (_, at) => {
    const x = (at * 200) / 43_200;
    return { x, y: 55 + perMonth * x + ((at % 23) / 23) * 3 + random.between(-0.3, 0.3) };
  });
}

const SOUND: SoakResult = {
  seconds: 10,
  samples: [],
  descriptors: { before: ['socket'], after: ['socket'] },
  faults: { cut: 1, replug: 1, unplug: 1, broker: 1 },
  telemetry: 10,
  commands: { asked: 4, answers: { succeeded: 4 } },
  logLines: 0,
  watchdog: 0,
  bill: {
    sales: 10,
    accepted: 10,
    received: 10,
    lost: 0,
    duplicates: 0,
    wrong: 0,
    unknown: 0,
    repeats: 0,
    askedRepeats: 0,
    forks: 0,
    orderBreaks: 0,
    gaps: 0,
    findings: [],
  },
};
