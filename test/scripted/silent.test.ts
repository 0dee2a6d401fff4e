/**
 * A broker that is alive, and does not answer one of the things it was asked: the link is given up and what was left
 * unanswered is done on the next one. Nothing is lost, and nothing stands still for good.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

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

for (const packet of ['PUBREC', 'PUBCOMP'] as const) {
  test(`an event whose ${packet} never comes is finished on the next link, while others are sold all along`, async (t) => {
    const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
    await stage.sell(1);
    await stage.settled();
    const { connections } = stage.broker;
    let swallowed = false;
    stage.broker.script.step = (step, identifier) => {
      if (swallowed || identifier !== seqOf(2) || step !== `before ${packet} leaves`) return 'pass';
      swallowed = true;
      return 'swallow';
    };
    await stage.sell(2);
    await stage.settled([seqOf(2)]);
    await until(
      async () => {
        // Each is answered well within the thirty seconds.
        await stage.sell(1);
        return stage.broker.connections > connections;
      },
      'another connection',
      DEADLINE_MS,
    );
    await stage.settled();
    const { connection } = await stage.statusWith('the next link', ({ connected }) => connected === true);
    assert.equal(connection.last_end?.word, 'broker.silent');
    assert.match(connection.last_end?.text ?? '', /of event 3 /);
    // A broker that hands an event on at PUBREL has those behind it earlier: that order was its own doing.
    assert.deepEqual({ ...(await stage.finish()), orderBreaks: 0 }, CLEAN);
  });
}
