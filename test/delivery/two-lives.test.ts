/**
 * A ledger of two epochs and a broker that loses its session, by the agent's own connection: whichever of them the session is
 * for, it is never taken for another client's, and the events of both arrive.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { appendSales, temporaryDirectory } from '../ledger/rig.ts';
import { memoryState } from './life.ts';
import { ModelBroker } from './model-broker.ts';
import { ModelOpener } from './model-opener.ts';
import { Consumer } from './receipt-rig.ts';
import { WholeLife } from './whole-life.ts';

interface Scene {
  readonly life: WholeLife;
  readonly opener: ModelOpener;
  readonly consumer: Consumer;
  /** Every event of every epoch is handed over, with this many sales. */
  readonly handed: (sales: number) => Promise<void>;
}

async function setScene(t: TestContext): Promise<Scene> {
  const opener = new ModelOpener(new ModelBroker('emqx-5'));
  const directory = await temporaryDirectory(t);
  const life = await WholeLife.start(directory, { opener, state: memoryState(), receipts: true });
  t.after(() => life.crash());
  const consumer = new Consumer(opener.broker);
  const handed = async (sales: number): Promise<void> => {
    const isThrough = (): boolean => {
      consumer.read();
      return life.ledger.figures.unsent === 0 && consumer.sales.size === sales && opener.isUp;
    };
    const missing = (): string => `${sales} sales, got ${consumer.sales.size}; ${JSON.stringify(life.ledger.figures)}`;
    await life.until(isThrough, missing, () => void opener.answer(100));
  };
  return { life, opener, consumer, handed };
}

/** A consumer that knows a later copy of this ledger. */
function forkOf(epoch: string): Buffer {
  return Buffer.from(JSON.stringify({ epoch, through: 999, hash: 'A'.repeat(43) }));
}

test('with two epochs that no receipt covers, a broker that loses its session costs repeats, and no other client is suspected', async (t) => {
  const { life, opener, handed } = await setScene(t);
  await appendSales(life.ledger, 1, 5);
  await handed(5);
  opener.say(forkOf(life.ledger.figures.epoch));
  await life.until(
    () => life.link.receipts.figures.forked,
    () => 'the new epoch',
  );
  await appendSales(life.ledger, 6, 8);
  await handed(8);
  for (let losses = 1; losses <= 2; losses += 1) {
    opener.forget();
    await appendSales(life.ledger, 8 + losses, 8 + losses);
    await handed(8 + losses);
  }
  assert.equal(life.link.connection.figures.takeovers, 0);
  assert.deepEqual(
    life.lines.filter((line) => line.includes('not the one that this device made')),
    [],
  );
});

test('a receipt that comes with CONNACK and shows an old copy begins the new epoch, and no other client is suspected', async (t) => {
  const { life, opener, handed } = await setScene(t);
  await appendSales(life.ledger, 1, 5);
  await handed(5);
  opener.cut();
  opener.say(forkOf(life.ledger.figures.epoch));
  await life.until(
    () => life.link.receipts.figures.forked,
    () => 'the new epoch',
  );
  await appendSales(life.ledger, 6, 8);
  await handed(8);
  assert.equal(life.link.connection.figures.takeovers, 0);
  assert.deepEqual(
    life.lines.filter((line) => line.includes('not the one that this device made')),
    [],
  );
});
