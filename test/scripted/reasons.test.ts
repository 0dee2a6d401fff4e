/**
 * Every reason code that a broker may refuse an event with: what is tried later, with growing waits; what pauses one stream;
 * what is a dead letter; and a code that MQTT has not. Nothing is lost, and no broker is hammered.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRandom } from '../rig/random.ts';
import { until } from '../rig/wait.ts';
import { EMQX_5, MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import type { PublishSeen } from '../scripted-broker/script.ts';
import { DEADLINE_MS, type ScriptedStage, seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0, unsent: 0 };
/** Of the agent's clock: its first wait is at most a second, so four refusals take no more than 1 + 2 + 4 + 8 s. */
const REFUSALS = 4;

/** PUBLISHes in bursts: a pause of the agent lies between two. `apartMs`: longer than a burst takes, shorter than a wait. */
function bursts(publishes: readonly PublishSeen[], apartMs: number): number {
  return publishes.filter(({ atMs }, at) => at === 0 || atMs - (publishes[at - 1]?.atMs ?? 0) > apartMs).length;
}

async function refuseFirst(stage: ScriptedStage, code: number): Promise<PublishSeen[]> {
  const refused: PublishSeen[] = [];
  // One event in flight at a time, so that each attempt is one refusal.
  await stage.settled();
  stage.broker.script.refuse = (publish) => {
    if (refused.length >= REFUSALS) return undefined;
    refused.push(publish);
    return code;
  };
  await stage.sell(1);
  await stage.settled();
  return refused;
}

for (const code of [0x97, 0x93, 0x89, 0x83, 0x80]) {
  const name = `0x${code.toString(16)}`;
  test(`an event refused with ${name} is sent again, each time after a longer wait, on the same connection`, async (t) => {
    const stage = await setScriptedStage(t, { profile: code === 0x97 ? MOSQUITTO_2_0_20 : EMQX_5 });
    const refused = await refuseFirst(stage, code);
    assert.equal(refused.length, REFUSALS);
    assert.equal(new Set(refused.map(({ connection }) => connection)).size, 1, 'the connection stayed');
    assert.equal(stage.log(/broker asks to send later/).length, REFUSALS);
    const waits = stage.log(/broker asks to send later/).map((line) => Number(/retry_in_ms=(\d+)/.exec(line)?.[1]));
    for (const [at, wait] of waits.entries()) assert.ok(wait <= 1000 * 2 ** at, `wait ${at}: ${wait} ms`);
    assert.deepEqual(await stage.finish(), CLEAN);
    // Its own first event and the sale, each once, and the sale refused four times: nothing more was on the wire.
    assert.equal(stage.broker.publishes.length, 2 + REFUSALS);
  });
}

test('a broker that is short of something for all events gets one attempt a wait, not one an event', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
  await stage.settled();
  let open = false;
  stage.broker.script.refuse = () => (open ? undefined : 0x97);
  await stage.sell(100);
  await until(() => stage.log(/broker asks to send later/).length >= 5, 'five refusals', DEADLINE_MS);
  const attempts = stage.broker.publishes.length;
  // A window of 18 may be on its way when the first refusal comes.
  assert.ok(attempts <= 1 + 6 * 18, `${attempts} attempts`);
  assert.ok(bursts(stage.broker.publishes, 40) <= 8, 'in bursts, with waits between');
  open = true;
  await stage.settled();
  assert.deepEqual(await stage.finish(), CLEAN);
});

test('0x87 on one stream pauses that stream alone, status says so, and it goes on when the rule is mended', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
  await stage.settled();
  let mended = false;
  stage.broker.script.refuse = ({ topic }) => (!mended && topic.endsWith('/up/event/alarm') ? 0x87 : undefined);
  await stage.sell(1, 'alarm');
  await stage.sell(20);
  await stage.settled([seqOf(1)]);
  await stage.saysWith(
    'the forbidden stream, and only its event unsent',
    ({ degraded, ledger }) => degraded.includes('broker.forbidden:up/event/alarm') && ledger.unsent === 1,
  );
  const attempts = (): number => stage.broker.publishes.filter(({ identifier }) => identifier === seqOf(1)).length;
  assert.equal(attempts(), 1);
  mended = true;
  await stage.settled();
  assert.ok(attempts() <= 3, `${attempts()} attempts`);
  await stage.saysWith('the mended stream', ({ degraded }) => degraded.length === 0);
  // Of two streams the order is that of arrival at the broker: the paused one came last.
  assert.equal(stage.delivered().at(-1), 1);
  assert.deepEqual(await stage.finish(), { ...CLEAN, orderBreaks: 1 });
});

test('status.json says within seconds that a stream is forbidden', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
  await stage.sell(1);
  await stage.settled();
  // Long enough that status.json is not being written for another reason: from here on only the refusal is news.
  const said = (): number => stage.broker.onward.filter(({ topic }) => topic.endsWith('/up/status')).length;
  await until(() => said() >= 3, 'two heartbeats', DEADLINE_MS);
  stage.broker.script.refuse = () => 0x87;
  await stage.sell(1);
  await stage.saysWith('the forbidden stream', ({ degraded }) => degraded.includes('broker.forbidden:up/event/sale'));
  await stage.statusWith('the forbidden stream', ({ degraded }) => degraded.includes('broker.forbidden:up/event/sale'));
});

test('refusals of every kind between events that are taken lose none and double none', async (t) => {
  const random = testRandom(t);
  const stage = await setScriptedStage(t, { profile: EMQX_5 });
  const codes = [0x97, 0x93, 0x89, 0x83, 0x80];
  let left = 12;
  stage.broker.script.refuse = () => {
    if (left === 0 || random.unit() > 0.2) return undefined;
    left -= 1;
    return codes[left % codes.length];
  };
  for (let batch = 0; batch < 5; batch += 1) {
    await stage.sell(20);
    if (batch % 2 === 1) stage.broker.cut();
  }
  await stage.settled();
  const { lost, repeats, forks, unsent } = await stage.finish();
  assert.deepEqual({ lost, repeats, forks, unsent }, { lost: [], repeats: 0, forks: 0, unsent: 0 });
  assert.deepEqual(stage.broker.ended, []);
});

for (const code of [0x90, 0x95, 0x99]) {
  test(`0x${code.toString(16)} makes a dead letter of one event, status counts it, and the rest goes on`, async (t) => {
    const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
    stage.broker.script.refuse = ({ identifier }) => (identifier === seqOf(5) ? code : undefined);
    await stage.sell(20);
    await stage.settled([seqOf(5)]);
    const { degraded } = await stage.saysWith(
      'the dead letter, and nothing else unsent',
      ({ ledger }) => ledger.dead === 1 && ledger.unsent === 0,
    );
    assert.ok(degraded.includes('ledger.dead'));
    stage.broker.cut();
    await stage.sell(1);
    await stage.settled([seqOf(5)]);
    const attempts = stage.broker.publishes.filter(({ identifier }) => identifier === seqOf(5)).length;
    assert.equal(attempts, 1, 'never sent again');
    assert.equal(stage.log(/dead letter/).length, 1);
    const { lost, repeats, forks } = await stage.finish();
    assert.deepEqual({ lost, repeats, forks }, { lost: [seqOf(5)], repeats: 0, forks: 0 });
  });
}

test('a reason code that MQTT has not ends the connection, slowly tried again, and the event is not taken for delivered', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20 });
  await stage.settled();
  const refused: PublishSeen[] = [];
  stage.broker.script.refuse = (publish) => {
    if (refused.length >= 3) return undefined;
    refused.push(publish);
    return 0x55;
  };
  const before = stage.broker.connects.length;
  await stage.sell(1);
  await stage.statusWith('the word', ({ connection }) => connection.last_end?.word === 'broker.protocol');
  await stage.settled();
  assert.equal(refused.length, 3);
  assert.equal(new Set(refused.map(({ connection }) => connection)).size, 3, 'one attempt a connection');
  const attempts = stage.broker.connects.slice(before).map(({ atMs }) => atMs);
  assert.equal(attempts.length, 3, 'one connection a refusal');
  const [, first = 0, second = 0] = attempts;
  // 5 s and more of the agent's clock, 250 ms of this one; the second wait at least as long.
  assert.ok(second - first >= 250, `${second - first} ms apart`);
  assert.deepEqual(await stage.finish(), CLEAN);
});
