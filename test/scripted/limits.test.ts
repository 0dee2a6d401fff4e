/** Brokers that offer less than the agent wants: what still works, what it says, and that it hammers none of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import * as profiles from '../scripted-broker/profiles.ts';
import { DEADLINE_MS, type ScriptedStage, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 };
const STATUS = 'fp/v1/pump-42/up/status';

/** Two heartbeats of the agent have come over one connection: it holds, and says what it has to say. */
async function holds({ broker }: ScriptedStage, connections: number): Promise<void> {
  const said = (): number => broker.onward.filter(({ topic }) => topic === STATUS).length;
  await until(() => said() >= 2, 'two statuses', DEADLINE_MS);
  assert.equal(broker.connections, connections, 'connections');
  assert.deepEqual(broker.ended, [], 'the broker had no reason to end one');
}

test('without QoS 2 no event leaves, sales are accepted, and the agent says that it holds events', async (t) => {
  const stage = await setScriptedStage(t, { profile: profiles.NO_QOS_2 });
  await stage.sell(5);
  const { ledger } = await stage.saysWith('events held', ({ degraded }) => degraded.includes('events.held'));
  assert.ok(ledger.unsent >= 1);
  // One to begin a session, one that holds.
  await holds(stage, 2);
  assert.deepEqual(stage.broker.publishes, []);
  assert.equal(stage.log(/^error: events are held back in the ledger guarantee=held /).length, 1);
  const { unsent } = await stage.finish();
  assert.equal(unsent, 6);
});

test('a broker that offers QoS 0 alone, and so refuses the will, is connected to with a lesser will', async (t) => {
  const stage = await setScriptedStage(t, { profile: profiles.QOS_0_ONLY });
  await stage.saysWith('events held', ({ degraded }) => degraded.includes('events.held'));
  // The first is refused; the will is then what the broker takes, also on the next connections.
  await holds(stage, 3);
  assert.deepEqual(
    stage.broker.connects.map(({ refusal }) => refusal),
    [0x9b, 0, 0],
  );
});

test('without retained messages, a retained will refused, the agent connects, and says its status unretained', async (t) => {
  const stage = await setScriptedStage(t, { profile: profiles.NO_RETAIN });
  await stage.sell(5);
  await stage.settled();
  await holds(stage, 3);
  assert.deepEqual(
    stage.broker.connects.map(({ refusal }) => refusal),
    [0x9a, 0, 0],
  );
  assert.ok(stage.broker.onward.every(({ retain }) => !retain));
  assert.deepEqual(await stage.finish(), CLEAN);
});

test('with a receive maximum of 1 events go one at a time, and the status without acknowledgement', async (t) => {
  const stage = await setScriptedStage(t, { profile: profiles.RECEIVE_MAXIMUM_1 });
  await stage.sell(20);
  await stage.settled();
  await holds(stage, 2);
  assert.ok(stage.broker.onward.every(({ qos }) => qos !== 1));
  assert.deepEqual(await stage.finish(), CLEAN);
});

test('what is larger than the broker takes is not sent again and again: events that fit arrive, the rest is told', async (t) => {
  const stage = await setScriptedStage(t, { profile: profiles.SMALL_PACKETS, fields: 30 });
  await stage.sell(5);
  await stage.settled();
  await until(() => stage.log(/broker refuses a topic .*up\/info/).length > 0, 'the refused info', DEADLINE_MS);
  // A packet too large would have ended the connection, and the next one.
  stage.broker.cut();
  await stage.sell(5);
  await stage.settled();
  assert.deepEqual(stage.broker.ended, []);
  assert.equal(stage.broker.connections, 3);
  assert.equal(stage.log(/broker refuses a topic .*up\/info/).length, 1, 'told once');
  assert.deepEqual(await stage.finish(), CLEAN);
});

test('an event larger than the broker takes is a dead letter before it is sent, and the rest goes on', async (t) => {
  const profile = { ...profiles.SMALL_PACKETS, terms: { receiveMaximum: 20, maximumPacketSize: 300 } };
  const stage = await setScriptedStage(t, { profile });
  await stage.sell(3);
  await until(() => stage.log(/dead letter/).length === 4, 'four dead letters', DEADLINE_MS);
  assert.deepEqual(stage.broker.publishes, []);
  assert.deepEqual(stage.broker.ended, []);
  const { lost, unsent } = await stage.finish();
  assert.deepEqual(lost, [1, 2, 3, 4]);
  assert.equal(unsent, 0);
});

for (const [profile, word] of [
  [profiles.NO_PERSISTENT_SESSION, 'repeats'],
  [profiles.NO_RETAIN, 'exactly-once'],
  [profiles.NO_QOS_2, 'held'],
] as const) {
  test(`status and log say what the broker's terms leave of the guarantee: ${profile.name}`, async (t) => {
    const stage = await setScriptedStage(t, { profile });
    const seen = await stage.saysWith('the guarantee', ({ guarantee }) => guarantee?.word === word);
    assert.equal(seen.degraded.includes('broker.no-retain'), profile === profiles.NO_RETAIN);
    assert.equal(seen.degraded.includes('broker.no-session'), profile !== profiles.NO_RETAIN);
    await until(() => stage.log(new RegExp(`guarantee=${word}`)).length > 0, 'a line in the log', DEADLINE_MS);
  });
}
