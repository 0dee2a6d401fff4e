/**
 * Every kind of packet that the broker sends, cut at every byte of it: the agent connects again, and each event still
 * arrives once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMQX_5, MOSQUITTO_2_0_11, MOSQUITTO_2_0_20, type Profile } from '../scripted-broker/profiles.ts';
import type { Script } from '../scripted-broker/script.ts';
import { type ScriptedStage, setScriptedStage } from '../scripted-broker/stage.ts';

const KINDS = ['connack', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'puback'] as const;
const RUNS: readonly (readonly [Profile, 4 | 5])[] = [
  [MOSQUITTO_2_0_11, 5],
  [MOSQUITTO_2_0_20, 4],
  [EMQX_5, 5],
];

/** Cuts the first packet of this kind after `bytes` of it; undefined for as long as none came. */
function cutOnce(script: Script, kind: string, bytes: number): () => number | undefined {
  let length: number | undefined;
  script.outbound = (sent, packet) => {
    if (sent !== kind || length !== undefined) return undefined;
    length = packet.length;
    return { bytes, how: 'reset' };
  };
  return () => length;
}

/** How many cuts it took. */
async function cutAtEveryByte(stage: ScriptedStage, kind: string): Promise<number> {
  const { broker } = stage;
  for (let bytes = 0; ; bytes += 1) {
    const length = cutOnce(broker.script, kind, bytes);
    // What is sent only on a new connection is met after this; the rest on the events' own way.
    broker.cut();
    await stage.sell(1);
    await stage.settled();
    const seen = length();
    if (seen === undefined) throw new Error(`the broker sent no ${kind}`);
    assert.deepEqual(stage.judge(), { lost: [], repeats: 0, forks: 0, orderBreaks: 0 }, `${kind} after ${bytes} bytes`);
    if (bytes >= seen) return bytes + 1;
  }
}

for (const [profile, protocol] of RUNS) {
  const version = protocol === 5 ? '5' : '3.1.1';
  test(`a packet of the broker may end after any byte of it, and no event is lost or comes twice: ${profile.name}, MQTT ${version}`, async (t) => {
    const stage = await setScriptedStage(t, { profile, protocol, luck: 0.02 });
    await stage.settled();
    // Over MQTT 3.1.1 nothing is asked that UNSUBACK would answer.
    for (const kind of KINDS.filter((each) => protocol === 5 || each !== 'unsuback')) {
      t.diagnostic(`${kind}: ${await cutAtEveryByte(stage, kind)} places`);
    }
    delete stage.broker.script.outbound;
    await stage.sell(1);
    await stage.settled();
    assert.deepEqual(await stage.finish(), { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 });
    assert.deepEqual(stage.broker.ended, []);
    assert.equal(stage.agent.lives, 1, 'the agent never ended by itself');
  });
}

test('a PUBLISH or PUBREL that ends after any byte of it was never sent', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, luck: 0.02 });
  await stage.settled();
  for (const type of [3, 6]) {
    for (const share of [0, 1, 2, 5, 40, -1]) {
      let cuts = 0;
      stage.broker.script.inbound = (seen, packet) => {
        if (seen !== type || cuts > 0) return undefined;
        cuts += 1;
        return { bytes: share < 0 ? packet.length - 1 : share, how: 'reset' };
      };
      await stage.sell(1);
      await stage.settled();
      assert.equal(cuts, 1);
    }
  }
  assert.deepEqual(await stage.finish(), { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 });
});
