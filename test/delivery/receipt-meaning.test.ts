/** What a receipt means beyond its numbers: asked again it is another one, and without an event of an epoch it settles none before it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventHash } from '../../src/ledger/event.ts';
import { temporaryDirectory, sale } from '../ledger/rig.ts';
import { until } from '../rig/wait.ts';
import { Life } from './life.ts';
import { ModelBroker } from './model-broker.ts';

const DEADLINE_MS = 5000;

test('a consumer that asks again in another receipt is answered again', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(await temporaryDirectory(t), { t, receipts: true });
  await life.connect(broker);
  for (let n = 1; n <= 3; n += 1) assert.equal((await life.ledger.append(sale(n))).kind, 'accepted');
  const handed = (): boolean => {
    life.up?.answer(100);
    return life.ledger.figures.unsent === 0;
  };
  await until(handed, 'the events to be handed over', DEADLINE_MS);
  const [first] = broker.delivered;
  const asks = { epoch: life.ledger.figures.epoch, through: 1, hash: eventHash(Buffer.from(first?.payload ?? '')) };
  const count = broker.delivered.length;
  for (const [asked, wanted] of [
    [1, 2],
    [2, 4],
    [2, 4],
  ] as const) {
    const { taken } = life.receipts.figures;
    life.receipts.take(Buffer.from(JSON.stringify({ ...asks, want: [[2, 3]], asked })));
    await until(() => life.receipts.figures.taken > taken, 'the receipt', DEADLINE_MS);
    await until(() => handed() && broker.delivered.length === count + wanted, `${wanted} events again`, DEADLINE_MS);
  }
  await life.close();
});

test('a receipt that has nothing of a new epoch yet does not settle the one before', async (t) => {
  const life = await Life.start(await temporaryDirectory(t), { t, receipts: true });
  assert.equal((await life.ledger.append(sale(1))).kind, 'accepted');
  life.ledger.startEpoch('a test');
  assert.equal((await life.ledger.append(sale(2))).kind, 'accepted');
  const { epoch, unsettled } = life.ledger.figures;
  life.receipts.take(Buffer.from(JSON.stringify({ epoch, through: 0, want: [[1, 1]] })));
  await until(() => life.receipts.figures.taken === 1, 'the receipt', DEADLINE_MS);
  assert.equal((await life.ledger.append(sale(3))).kind, 'accepted');
  assert.equal(life.ledger.figures.unsettled, unsettled + 1);
  await life.close();
});
