/**
 * A broker that answers 0x91 for an identifier that should be free: the session is not what the ledger says, and is thrown
 * away. Nothing is lost, nothing is sent for ever, and the log says it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { EMQX_5 } from '../scripted-broker/profiles.ts';
import { DEADLINE_MS, type ScriptedStage, seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

/** What the broker got again in the new session may come again. */
const WHOLE = { lost: [], forks: 0, unsent: 0 };
const IN_USE = 0x91;
const GIVEN_UP = /^warn: broker session: given up, made anew/;
/** Identifiers of what is sent again begin above this. */
const REPLAY_FROM = 32_768;

/** The consumer wants these again. */
function want({ broker }: ScriptedStage, from: number, through: number): void {
  const event = broker.onward.find(({ topic }) => topic.includes('/up/event/'));
  const { epoch } = JSON.parse(event?.payload.toString('utf8') ?? '{}') as { readonly epoch: string };
  const receipt = { epoch, through: 0, want: [[from, through]] };
  broker.say('fp/v1/pump-42/down/receipt', Buffer.from(JSON.stringify(receipt)), true);
}

function cleanStarts({ broker }: ScriptedStage): number {
  return broker.connects.filter(({ cleanStart }) => cleanStart).length;
}

test('a replay that was cut after the broker had taken it is sent in a new session, once, and is completed', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.05 });
  await stage.sell(3);
  await stage.settled();
  const before = { connects: stage.broker.connects.length, cleanStarts: cleanStarts(stage) };
  let cuts = 0;
  stage.broker.script.step = (step, identifier) => {
    if (cuts > 0 || identifier <= REPLAY_FROM || step !== 'before PUBREC leaves') return 'pass';
    cuts += 1;
    return 'reset';
  };
  want(stage, seqOf(1), seqOf(3));
  const replayed = (): number => [...stage.broker.completed].filter((identifier) => identifier > REPLAY_FROM).length;
  await until(() => replayed() === 3, 'the replay', DEADLINE_MS);
  assert.equal(cuts, 1);
  assert.equal(cleanStarts(stage), before.cleanStarts + 1);
  // The one after the cut, which found the identifier in use; then Clean Start, and the session.
  assert.equal(stage.broker.connects.length, before.connects + 3);
  assert.equal(stage.log(GIVEN_UP).length, 1);
  await stage.sell(1);
  await stage.settled();
  const { lost, forks, unsent } = await stage.finish();
  assert.deepEqual({ lost, forks, unsent }, WHOLE);
});

test('0x91 for an event that never left in its session is no word that the broker has it, neither then nor on the next link', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.05 });
  const inUse = seqOf(2);
  // Something else lies under this identifier, until its session is thrown away or a PUBREL takes it away.
  let heldSince: number | undefined;
  let taken = 0;
  const isHeld = (): boolean => taken === 0 && cleanStarts(stage) === (heldSince ?? cleanStarts(stage));
  stage.broker.script.refuse = ({ identifier }) => {
    if (identifier !== inUse || !isHeld()) return undefined;
    heldSince ??= cleanStarts(stage);
    return IN_USE;
  };
  stage.broker.script.step = (step, identifier) => {
    if (identifier === inUse && step === 'before PUBREL is taken' && isHeld()) taken += 1;
    return 'pass';
  };
  await stage.sell(4);
  await stage.settled();
  assert.equal(taken, 0, 'no PUBREL for what is not ours');
  assert.equal(stage.log(GIVEN_UP).length, 1);
  const { lost, forks, unsent } = await stage.finish();
  assert.deepEqual({ lost, forks, unsent }, WHOLE);
});

test('a broker that holds an identifier in every new session is not hammered, and status.json says why nothing gets on', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.05 });
  await stage.settled();
  let held = true;
  stage.broker.script.refuse = ({ identifier }) => (held && identifier === seqOf(1) ? IN_USE : undefined);
  stage.broker.restart('nothing');
  await stage.sell(1);
  const before = stage.broker.connects.length;
  await stage.statusWith('the word', ({ connection }) => connection.last_end?.word === 'broker.protocol');
  await until(() => stage.log(GIVEN_UP).length >= 3, 'three sessions', DEADLINE_MS);
  const attempts = stage.broker.connects.slice(before).filter(({ cleanStart }) => !cleanStart);
  for (const [at, { atMs }] of attempts.entries()) {
    // The first follows the restart of the broker. Then 5 s at least, of a clock that is 20 times as fast.
    const apartMs = atMs - (attempts[at - 1]?.atMs ?? atMs - 250);
    assert.ok(apartMs >= 200, `session ${at} after ${apartMs} ms`);
  }
  held = false;
  await stage.settled();
  const { lost, forks, unsent } = await stage.finish();
  assert.deepEqual({ lost, forks, unsent }, WHOLE);
});
