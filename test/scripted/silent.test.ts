/**
 * A broker that is alive, and does not answer one of the things it was asked: the link is given up and what was left
 * unanswered is done on the next one. Nothing is lost, and nothing stands still for good.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 };

for (const protocol of [5, 4] as const) {
  test(`statuses go on after two of them were never acknowledged, over MQTT ${protocol === 5 ? '5' : '3.1.1'}`, async (t) => {
    const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, protocol });
    await stage.sell(1);
    await stage.settled();
    const { connections } = stage.broker;
    let swallowed = 0;
    stage.broker.script.mutate = (kind) => {
      if (kind !== 'puback' || swallowed === 2) return undefined;
      swallowed += 1;
      return [];
    };
    await until(() => stage.broker.connections > connections, 'another connection', DEADLINE_MS);
    await stage.sell(1);
    await stage.saysWith('what was sold since', ({ ledger }) => ledger.last === 3 && ledger.unsent === 0);
    const { connection } = await stage.statusWith('the next link', ({ connected }) => connected === true);
    assert.equal(connection.last_end?.word, 'broker.silent');
    assert.deepEqual(await stage.finish(), CLEAN);
  });
}
