/**
 * A replay that is under way while receipts come: what is in flight goes on to its end under the identifier that it left
 * with, and no slot of the window is left behind.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventHash } from '../../src/ledger/event.ts';
import { sale } from '../ledger/rig.ts';
import type { Life } from './life.ts';
import type { ModelBroker } from './model-broker.ts';
import { started, type Text, until } from './receipt-rig.ts';

const EVENTS = 100;
/** Half of the window: 20 less what QoS 1 keeps. */
const SHARE = 9;

interface Scene {
  readonly life: Life;
  readonly broker: ModelBroker;
  /** The consumer has everything through this one, and wants these again. */
  readonly say: (through: number, want?: readonly (readonly [number, number])[]) => void;
}

/** The broker has lost its session, and so many of the replay are in flight, not answered yet. */
async function replaying(t: TestContext): Promise<Scene> {
  const { life, broker } = await started(t, EVENTS);
  const payloads = broker.delivered.map(({ payload }) => payload);
  const { epoch } = life.ledger.figures;
  let receipts = 0;
  const say: Scene['say'] = (through, want = []) => {
    const payload = payloads.find((text) => (JSON.parse(text) as Text).seq === through) ?? '';
    const hash = eventHash(Buffer.from(payload));
    life.receipts.take(Buffer.from(JSON.stringify({ epoch, through, hash, want, n: (receipts += 1) })));
  };
  say(20);
  await until(
    () => life.ledger.figures.unsettled === EVENTS + 1 - 20,
    'the receipt',
    () => undefined,
  );
  life.cut();
  broker.forget();
  await life.connect(broker);
  say(20);
  await until(
    () => life.sender.figures.inFlight === SHARE,
    'the replay',
    () => undefined,
  );
  return { life, broker, say };
}

async function drained({ life, broker }: Scene): Promise<void> {
  assert.equal((await life.ledger.append(sale(1000))).kind, 'accepted');
  await until(
    () => life.ledger.figures.unsent === 0 && life.sender.figures.inFlight === 0,
    `the window to be empty: ${life.sender.figures.inFlight} in flight, ${life.ledger.figures.unsent} unsent`,
    () => void life.up?.answer(100),
  );
  assert.equal(broker.open, 0, 'exchanges that the broker still waits with');
}

test('a receipt that covers what is in flight spares only what has not left', async (t) => {
  const scene = await replaying(t);
  const { life, broker, say } = scene;
  const before = broker.delivered.length;
  // An event that was handed over is wanted again, so the replay is looked through from its beginning.
  say(20, [[7, 7]]);
  await until(
    () => life.receipts.figures.reopened === 1 && life.ledger.settlement.lives[0]?.reopened.has(7) === true,
    'the want on disk',
    () => undefined,
  );
  say(60);
  await until(
    () => life.ledger.figures.unsent === EVENTS + 1 - 60 + SHARE,
    'what is spared',
    () => undefined,
  );
  await drained(scene);
  const again = broker.delivered.slice(before).map(({ payload }) => (JSON.parse(payload) as Text).seq);
  const expected = Array.from({ length: SHARE }, (_, at) => 21 + at);
  for (let seq = 61; seq <= EVENTS + 2; seq += 1) expected.push(seq);
  assert.deepEqual(
    again.sort((a, b) => a - b),
    expected,
  );
});

test('what a receipt has spared does not leave in the time that the disk takes to know it', async (t) => {
  const scene = await replaying(t);
  const { life, broker } = scene;
  const own = life.ledger.settlement.lives[0];
  assert.ok(own);
  life.up?.answer(SHARE);
  await until(
    () => own.released.size === SHARE,
    'PUBREL',
    () => undefined,
  );
  const before = broker.publishes.length;
  // In one turn of the loop: the receipt, and PUBCOMPs that make room.
  life.sender.receiptTaken(own.ordinal, 60);
  life.up?.answer(SHARE);
  await drained(scene);
  const left = broker.publishes.slice(before).map(({ payload }) => (JSON.parse(payload) as Text).seq);
  assert.deepEqual(
    left.filter((seq) => seq <= 60),
    [],
  );
});
