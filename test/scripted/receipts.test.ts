/**
 * The same losses of a broker's memory as without receipts, with a consumer that sends them: what the broker forgot comes
 * again, with the same identity and bytes.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { EMQX_5, MOSQUITTO_2_0_20 } from '../scripted-broker/profiles.ts';
import { DEADLINE_MS, type ScriptedStage, seqOf, setScriptedStage } from '../scripted-broker/stage.ts';

const CLEAN = { lost: [], repeats: 0, forks: 0, orderBreaks: 0 };
const RECEIPT = 'fp/v1/pump-42/down/receipt';

/** The consumer's receipt for what it has; it wants the gaps. */
function sendReceipt({ broker }: ScriptedStage): void {
  const bySeq = new Map<number, Buffer>();
  let epoch = '';
  for (const { topic, payload } of broker.onward) {
    if (!topic.includes('/up/event/')) continue;
    const event = JSON.parse(payload.toString('utf8')) as { readonly epoch: string; readonly seq: number };
    bySeq.set(event.seq, payload);
    ({ epoch } = event);
  }
  let through = 0;
  while (bySeq.has(through + 1)) through += 1;
  const want: [number, number][] = [];
  for (let seq = through + 1; seq <= Math.max(...bySeq.keys()); seq += 1) if (!bySeq.has(seq)) want.push([seq, seq]);
  const hash = createHash('sha256')
    .update(bySeq.get(through) ?? '')
    .digest('base64url');
  broker.say(RECEIPT, Buffer.from(JSON.stringify({ epoch, through, ...(through > 0 ? { hash } : {}), want })), true);
}

async function unsettled(stage: ScriptedStage, count: number): Promise<void> {
  await stage.saysWith(`${count} unsettled`, ({ ledger }) => ledger.unsettled === count);
}

test('an older copy of the broker loses nothing of what the consumer has no receipt for', async (t) => {
  const stage = await setScriptedStage(t, { profile: MOSQUITTO_2_0_20, luck: 0.02, receipts: true });
  await stage.sell(2);
  await stage.settled();
  sendReceipt(stage);
  await unsettled(stage, 0);
  const older = stage.broker.snapshot();
  stage.broker.script.step = (step) => (step === 'before PUBREL is taken' ? 'swallow' : 'pass');
  await stage.sell(3);
  await until(() => [3, 4, 5].every((source) => stage.broker.released.has(seqOf(source))), 'PUBRELs', DEADLINE_MS);
  stage.broker.restart(older);
  delete stage.broker.script.step;
  await stage.sell(1);
  await stage.settled();
  assert.deepEqual(stage.judge().lost, [3, 4, 5].map(seqOf), 'acknowledged, and forgotten');
  sendReceipt(stage);
  await until(() => stage.judge().lost.length === 0, 'what was wanted', DEADLINE_MS);
  sendReceipt(stage);
  await unsettled(stage, 0);
  const { lost, repeats, forks } = await stage.finish();
  assert.deepEqual({ lost, repeats, forks }, { lost: [], repeats: 0, forks: 0 });
});

test('what waited for the consumer when the broker forgot all comes again by itself', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.02, receipts: true });
  await stage.settled();
  stage.broker.consumer('away');
  await stage.sell(3);
  await stage.settled();
  stage.broker.restart('nothing');
  stage.broker.consumer('there');
  await until(() => stage.judge().lost.length === 0, 'the events', DEADLINE_MS);
  sendReceipt(stage);
  await unsettled(stage, 0);
  const { unsent, repeats, ...outcome } = await stage.finish();
  assert.deepEqual({ ...outcome, repeats: 0 }, CLEAN);
  assert.equal(unsent, 0);
  // The agent's own first event, which the consumer had and had given no receipt for.
  assert.equal(repeats, 1);
});

test('with two epochs, a broker that forgets all costs repeats: no other client is suspected, and the new epoch arrives', async (t) => {
  const stage = await setScriptedStage(t, { profile: EMQX_5, luck: 0.02, receipts: true });
  await stage.sell(5);
  await stage.settled();
  const sold = (count: number): Promise<unknown> =>
    until(() => new Set(stage.delivered()).size === count, `${count} sales`, DEADLINE_MS);
  const first = stage.broker.onward.find(({ topic }) => topic.includes('/up/event/'));
  const { epoch } = JSON.parse(first?.payload.toString('utf8') ?? '{}') as { readonly epoch: string };
  // A consumer that knows a later copy of this ledger.
  stage.broker.say(RECEIPT, Buffer.from(JSON.stringify({ epoch, through: 999, hash: 'A'.repeat(43) })), true);
  await stage.saysWith('a ledger that is an old copy', ({ degraded }) => degraded.includes('ledger.forked'));
  await stage.sell(3);
  await sold(8);
  stage.broker.restart('nothing');
  await stage.sell(3);
  await sold(11);
  await stage.saysWith('nothing that waits', ({ ledger }) => ledger.unsent === 0);
  const { connection } = await stage.statusWith('a connection', ({ connected }) => connected === true);
  assert.equal(connection.takeovers, 0);
  assert.deepEqual(stage.log(/not the one that this device made/), []);
});
