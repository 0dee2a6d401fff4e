/** A bounded sample of the crash matrix (`npm run crash`), and its controls: what must never be lost, and that we would see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTROLS, runControl } from './crash/controls.ts';
import { planLives } from './crash/plan.ts';
import { duplicatesOf, faultOf } from './crash/report.ts';
import { runCrash } from './crash/run.ts';
import { builtProgram } from './rig/agent-process.ts';
import { testRandom } from './rig/random.ts';
import { seededRandom } from '../src/workbench/random.ts';

const KILLS = 15;
const CONTROL_KILLS = 4;
const SALES_PER_SECOND = 100;

for (const { protocol, brokerFaults, runs } of [
  { protocol: 5, brokerFaults: 'none', runs: KILLS },
  { protocol: 4, brokerFaults: 'none', runs: 6 },
  { protocol: 5, brokerFaults: 'term', runs: 8 },
] as const) {
  const broker = brokerFaults === 'none' ? 'cuts of the link' : 'restarts of the broker';
  test(`nothing is lost and nothing comes twice over kills and ${broker}, MQTT ${protocol}`, async (t) => {
    const { seed } = testRandom(t);
    const result = await runCrash({
      runs,
      seed,
      protocol,
      brokerFaults,
      salesPerSecond: SALES_PER_SECOND,
      program: builtProgram(),
    });
    const { bill } = result;
    t.diagnostic(JSON.stringify({ ...result, bill: { ...bill, findings: undefined } }));
    assert.equal(faultOf(result, brokerFaults), undefined, bill.findings.join('\n'));
    assert.equal(duplicatesOf(result, brokerFaults), 0);
    assert.equal(bill.received, bill.sales);
    assert.equal(bill.orderBreaks, 0);
    assert.equal(result.kills, runs);
    assert.ok(result.busyKills >= runs / 3, `only ${result.busyKills} of ${runs} kills hit an agent at work`);
  });
}

for (const control of CONTROLS) {
  test(`the matrix sees an agent whose sales are ${control.name}`, async (t) => {
    const { seed } = testRandom(t);
    const options = {
      runs: CONTROL_KILLS,
      seed,
      protocol: 5,
      brokerFaults: 'none',
      salesPerSecond: SALES_PER_SECOND,
    } as const;
    const { result, seen } = await runControl(control, options);
    assert.ok(seen, `${control.shows}: ${JSON.stringify(result.bill)}`);
    assert.notEqual(faultOf(result, 'none'), undefined);
  });
}

test('the same seed gives the same faults', () => {
  const plan = planLives(seededRandom(7), 50, 'term');
  assert.deepEqual(planLives(seededRandom(7), 50, 'term'), plan);
  assert.notDeepEqual(planLives(seededRandom(8), 50, 'term'), plan);
  assert.ok(plan.every(({ killAfterMs }) => killAfterMs >= 150 && killAfterMs <= 900));
  assert.ok(plan.every((life) => life.cutsAfterMs.every((ms) => ms <= life.killAfterMs)));
  assert.equal(plan.filter((life) => life.brokerAfterMs !== undefined).length, 12);
});
