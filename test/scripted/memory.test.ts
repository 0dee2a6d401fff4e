/**
 * A broker that loses its memory, gets an older one back, or lets another client into the session. Without receipts the
 * documents admit that events which the broker had acknowledged can be lost: here it is exactly those, and no other.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { generate } from 'mqtt-packet';
import { until } from '../rig/wait.ts';
import { EJABBERD, EMQX_5, MOSQUITTO_2_0_11, MOSQUITTO_2_0_20, type Profile } from '../scripted-broker/profiles.ts';
import type { Step } from '../scripted-broker/script.ts';
import { DEADLINE_MS, type ScriptedStage, seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 };
const DEVICE = 'pump-42';

/** From here on the broker says nothing at this step, until `resume`. */
function hold({ broker }: ScriptedStage, step: Step): () => void {
  broker.script.step = (reached) => (reached === step ? 'swallow' : 'pass');
  return () => delete broker.script.step;
}

async function acknowledged({ broker }: ScriptedStage, sources: readonly number[]): Promise<void> {
  await until(() => sources.every((source) => broker.released.has(seqOf(source))), 'their PUBRELs', DEADLINE_MS);
}

async function arrived({ broker }: ScriptedStage, sources: readonly number[]): Promise<void> {
  const seen = (source: number): boolean => broker.publishes.some(({ identifier }) => identifier === seqOf(source));
  await until(() => sources.every(seen), 'their PUBLISHes', DEADLINE_MS);
}

test('an orderly restart of Mosquitto 2.0.11 costs nothing: the session was not made by Clean Start', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_11, luck: 0.02 });
  await stage.settled();
  for (const step of ['before PUBCOMP leaves', 'before PUBREL is taken', 'before PUBREC leaves'] as const) {
    const before = stage.broker.publishes.length;
    const resume = hold(stage, step);
    await stage.sell(3);
    await until(() => stage.broker.publishes.length >= before + 3, 'the PUBLISHes', DEADLINE_MS);
    stage.broker.restart('as the profile');
    resume();
    await stage.settled();
  }
  assert.deepEqual(await stage.finish(), CLEAN);
});

for (const profile of [MOSQUITTO_2_0_20, EMQX_5, EJABBERD]) {
  test(`a broker that forgets all costs repeats of what was open, and loses nothing that was delivered at once: ${profile.name}`, async (t) => {
    const stage = await setScriptedStage(t, { profile, luck: 0.02 });
    await stage.settled();
    const resume = hold(stage, 'before PUBCOMP leaves');
    await stage.sell(3);
    await until(() => [1, 2, 3].every((source) => stage.delivered().includes(source)), 'the events', DEADLINE_MS);
    stage.broker.restart('nothing');
    resume();
    await stage.settled();
    const { repeats, orderBreaks, ...outcome } = await stage.finish();
    assert.deepEqual(outcome, { lost: [], forks: 0, unsent: 0 });
    assert.equal(orderBreaks, 0);
    assert.equal(repeats, 3);
  });

  test(`a broker that forgets what waited for the consumer loses exactly what it had completed: ${profile.name}`, async (t) => {
    const stage = await setScriptedStage(t, { profile, luck: 0.02 });
    await stage.settled();
    stage.broker.consumer('away');
    await stage.sell(3);
    await stage.settled();
    const resume = hold(stage, 'before PUBREC leaves');
    await stage.sell(3);
    await arrived(stage, [4, 5, 6]);
    stage.broker.restart('nothing');
    resume();
    await stage.settled();
    stage.broker.consumer('there');
    assert.deepEqual(await stage.finish(), { ...CLEAN, lost: [1, 2, 3].map(seqOf) });
  });
}

test('a broker that comes back from an older copy, session present, loses exactly what it had acknowledged', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, luck: 0.02 });
  await stage.sell(2);
  await stage.settled();
  const older = stage.broker.snapshot();
  const releaseHeld = hold(stage, 'before PUBREL is taken');
  await stage.sell(3);
  await acknowledged(stage, [3, 4, 5]);
  releaseHeld();
  const resume = hold(stage, 'before PUBREC leaves');
  await stage.sell(3);
  await arrived(stage, [6, 7, 8]);
  stage.broker.restart(older);
  resume();
  await stage.settled();
  await stage.sell(1);
  await stage.settled();
  assert.equal(stage.log(/not the one that this device made/).length, 0, 'the older copy is of this very session');
  assert.deepEqual(await stage.finish(), { ...CLEAN, lost: [3, 4, 5].map(seqOf) });
});

test('an older copy loses nothing where a message goes onward at PUBLISH', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.02 });
  await stage.settled();
  const older = stage.broker.snapshot();
  const resume = hold(stage, 'before PUBREL is taken');
  await stage.sell(3);
  await acknowledged(stage, [1, 2, 3]);
  stage.broker.restart(older);
  resume();
  await stage.settled();
  assert.deepEqual(await stage.finish(), CLEAN);
});

test('a session of an older copy that does not know this device any more is made anew, and nothing is lost', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, luck: 0.02 });
  await stage.settled();
  const older = stage.broker.snapshot();
  older.sessions.get(DEVICE)?.subscriptions.clear();
  const resume = hold(stage, 'before PUBREL is taken');
  await stage.sell(3);
  await acknowledged(stage, [1, 2, 3]);
  stage.broker.restart(older);
  resume();
  await stage.settled();
  assert.equal(stage.log(/not the one that this device made/).length, 1);
  assert.deepEqual(await stage.finish(), CLEAN);
});

/** Another client of our identity: makes a session of its own and leaves messages in it under our identifiers. */
async function intrude(t: TestContext, stage: ScriptedStage, identifiers: readonly number[]): Promise<void> {
  const socket = connect({ port: stage.broker.port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  const protocolVersion = 5;
  const hello = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion,
    clientId: DEVICE,
    clean: true,
    keepalive: 0,
    properties: { sessionExpiryInterval: 3600 },
  } as const;
  socket.write(generate(hello, { protocolVersion }));
  for (const messageId of identifiers) {
    const topic = 'fp/v1/pump-42/up/other';
    const message = { cmd: 'publish', topic, payload: 'x', qos: 2, dup: false, retain: false, messageId } as const;
    socket.write(generate(message, { protocolVersion }));
  }
  const theirs = (): boolean =>
    identifiers.every((id) =>
      stage.broker.publishes.some(({ topic, identifier }) => topic.endsWith('/other') && id === identifier),
    );
  await until(theirs, "the other client's messages", DEADLINE_MS);
  socket.destroy();
}

const TAKEOVERS: readonly (readonly [Profile, RegExp])[] = [
  [MOSQUITTO_2_0_11, /broker session: not the one that this device made; made anew/],
  [MOSQUITTO_2_0_20, /^error: another client uses this device's identity/],
  [EMQX_5, /^error: another client uses this device's identity/],
];

for (const [profile, says] of TAKEOVERS) {
  const how = profile.saysTakeover ? 'told' : 'silent';
  test(`a takeover (${how}) that leaves messages under our identifiers costs repeats at most: ${profile.name}`, async (t) => {
    const stage = await setScriptedStage(t, { profile, luck: 0.02 });
    await stage.sell(2);
    await stage.settled();
    const resume = hold(stage, 'before PUBREL is taken');
    await stage.sell(2);
    await acknowledged(stage, [3, 4]);
    resume();
    await intrude(t, stage, [seqOf(3), seqOf(5), seqOf(6)]);
    await stage.sell(4);
    await stage.settled();
    assert.equal(stage.log(says).length, 1);
    const { lost, forks, unsent, repeats } = await stage.finish();
    assert.deepEqual({ lost, forks, unsent }, { lost: [], forks: 0, unsent: 0 });
    // Delivered at PUBLISH, they were with the consumer already.
    assert.equal(repeats, profile.delivers === 'at PUBLISH' ? 2 : 0);
  });
}
