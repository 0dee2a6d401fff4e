/** A bounded sample of the crash matrix (`npm run crash`), and its controls: what must never be lost, and that we would see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../src/workbench/random.ts';
import { CONTROLS, runControl } from './crash/controls.ts';
import { planLives } from './crash/plan.ts';
import { RANDOM_KILL_ROWS } from './crash/rows/random-kills.ts';
import { assertRow, sampleContext } from './crash/sample.ts';

/** Kills in each row of kills at random moments. */
const KILLS: Readonly<Record<string, number>> = {
  agent: 15,
  'agent-3.1.1': 6,
  'broker-term': 8,
  'broker-kill': 4,
  'broker-forgets': 4,
};
const CONTROL_KILLS = 4;
/** So few faults may by chance hit nothing: seen on a busy machine, where the broker had acknowledged nothing to forget. */
const CONTROL_TIMES = 4;

for (const row of RANDOM_KILL_ROWS) {
  test(`nothing is lost and nothing is doubled: ${row.title}`, async (t) => {
    const result = await assertRow(t, row, KILLS[row.name] ?? 4);
    if (result === undefined) return;
    const { kills = 0, busyKills = 0 } = result.counts;
    assert.equal(kills, KILLS[row.name]);
    assert.equal(result.bill.received, result.bill.sales);
    if (row.brokerKeeps) assert.equal(result.bill.orderBreaks, 0);
    assert.ok(busyKills >= kills / 3, `only ${busyKills} of ${kills} kills hit an agent at work`);
  });
}

for (const control of CONTROLS) {
  test(`the matrix sees the control: ${control.name}`, async (t) => {
    const bills: string[] = [];
    for (let time = 0; time < CONTROL_TIMES; time += 1) {
      const { result, seen } = await runControl(control, sampleContext(t, CONTROL_KILLS));
      if ('skipped' in result) return t.skip(result.skipped);
      if (seen) return;
      bills.push(JSON.stringify(result.bill));
    }
    assert.fail(`${control.shows} was not seen: ${bills.join(' ')}`);
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
