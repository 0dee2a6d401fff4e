/** Each step of the QoS 2 handshake with one cut at it, on every profile that keeps its word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFORMING } from '../scripted-broker/profiles.ts';
import { STEPS } from '../scripted-broker/script.ts';
import { seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

for (const profile of CONFORMING) {
  for (const protocol of [5, 4] as const) {
    // MQTT 3.1.1 has no receive maximum.
    if (protocol === 4 && profile.terms.receiveMaximum === 1) continue;
    test(`an event arrives once whatever step its connection is cut at: ${profile.name}, MQTT ${protocol === 5 ? '5' : '3.1.1'}`, async (t) => {
      const stage = await setScriptedStage(t, { profile, protocol, luck: 0.02 });
      await stage.settled();
      let sold = 0;
      for (const step of STEPS) {
        sold += 1;
        const cutAt = seqOf(sold);
        let cuts = 0;
        stage.broker.script.step = (reached, identifier) => {
          if (reached !== step || identifier !== cutAt || cuts > 0) return 'pass';
          cuts += 1;
          return 'reset';
        };
        const before = stage.broker.connects.length;
        await stage.sell(1);
        await stage.settled();
        assert.equal(cuts, 1, step);
        // One more event on the next connection: whatever the cut left behind was resumed before it.
        sold += 1;
        await stage.sell(1);
        await stage.settled();
        assert.ok(stage.broker.connects.length > before, step);
        assert.deepEqual(stage.judge(), { lost: [], repeats: 0, forks: 0, orderBreaks: 0 }, step);
      }
      assert.deepEqual(await stage.finish(), { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 });
      assert.deepEqual(stage.broker.ended, []);
    });
  }
}
