/**
 * A ledger of two epochs and a broker that loses its session, by the agent's own connection: whichever of them the session is
 * for, it is never taken for another client's, and the events of both arrive.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { appendSales, sale, temporaryDirectory } from '../ledger/rig.ts';
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

const LEGACY = 'fp/v1/pump-42/up/event/legacy';

/** Two epochs with five sales and three, all of them handed over. The first one's event 7 is on a stream of its own. */
async function twoEpochs(t: TestContext): Promise<Scene & { readonly old: string }> {
  const scene = await setScene(t);
  const { life, opener, handed } = scene;
  const old = life.ledger.figures.epoch;
  await appendSales(life.ledger, 1, 5);
  await life.ledger.append({ ...sale(900), stream: 'legacy' });
  await handed(6);
  await fork(life, opener);
  await handed(9);
  return { ...scene, old: old === '' ? (life.ledger.settlement.lives[0]?.epoch ?? '') : old };
}

/** A consumer that knows a later copy of this ledger says so; the epoch that begins has three sales. */
async function fork(life: WholeLife, opener: ModelOpener): Promise<void> {
  const { epoch } = life.ledger.figures;
  opener.say(Buffer.from(JSON.stringify({ epoch, through: 999, hash: 'A'.repeat(43) })));
  await life.until(
    () => life.link.receipts.figures.forked,
    () => 'the new epoch',
  );
  await appendSales(life.ledger, 6, 8);
}

function assertNobodySuspected(life: WholeLife): void {
  assert.equal(life.link.connection.figures.takeovers, 0);
  assert.deepEqual(
    life.lines.filter((line) => line.includes('not the one that this device made')),
    [],
  );
}

test('with two epochs that no receipt covers, a broker that loses its session costs repeats, and no other client is suspected', async (t) => {
  const { life, opener, handed } = await setScene(t);
  await appendSales(life.ledger, 1, 5);
  await handed(5);
  await fork(life, opener);
  await handed(8);
  for (let losses = 1; losses <= 2; losses += 1) {
    opener.forget();
    await appendSales(life.ledger, 8 + losses, 8 + losses);
    await handed(8 + losses);
  }
  assertNobodySuspected(life);
  await life.close();
});

test('a receipt that comes with CONNACK and shows an old copy begins the new epoch, and no other client is suspected', async (t) => {
  const { life, opener, handed } = await setScene(t);
  await appendSales(life.ledger, 1, 5);
  await handed(5);
  opener.cut();
  await fork(life, opener);
  await handed(8);
  assertNobodySuspected(life);
  await life.close();
});

test('an event of an old epoch that is wanted again on a forbidden stream holds up no new event, nor the session', async (t) => {
  const { life, opener, consumer, handed, old } = await twoEpochs(t);
  opener.broker.forbidden.add(LEGACY);
  opener.say(Buffer.from(JSON.stringify({ epoch: old, through: 0, want: [[7, 7]] })));
  await life.until(
    () => life.link.sender.figures.forbidden.length === 1,
    () => 'the refusal',
    () => void opener.answer(100),
  );
  const links = opener.connects.length;
  await appendSales(life.ledger, 11, 30);
  const isThrough = (): boolean => (consumer.read(), consumer.sales.size === 29);
  await life.until(
    isThrough,
    () => `29 sales, got ${consumer.sales.size}`,
    () => void opener.answer(100),
  );
  opener.broker.forbidden.clear();
  const before = opener.broker.delivered.length;
  await handed(29);
  assert.equal(opener.broker.delivered.length, before + 1, 'the one that was wanted');
  assert.equal(opener.connects.length, links);
  await life.close();
});

test('an event that an old epoch could not hand over, its stream being forbidden, is handed over once, and holds up nothing', async (t) => {
  const { life, opener, consumer, handed } = await setScene(t);
  opener.broker.forbidden.add(LEGACY);
  await appendSales(life.ledger, 1, 5);
  await life.ledger.append({ ...sale(900), stream: 'legacy' });
  const sold = (count: number): Promise<void> =>
    life.until(
      () => (consumer.read(), consumer.sales.size === count),
      () => `${count} sales, got ${consumer.sales.size}`,
      () => void opener.answer(100),
    );
  await sold(5);
  await fork(life, opener);
  await sold(8);
  // Later losses of the session, and further tries of the stream, change nothing.
  opener.forget();
  await appendSales(life.ledger, 9, 9);
  await sold(9);
  await life.pass(600_000);
  opener.broker.forbidden.clear();
  await handed(10);
  const taken = opener.broker.delivered.filter(({ topic }) => topic === LEGACY);
  assert.equal(taken.length, 1);
  await life.close();
});

test('a long replay of an old epoch takes no session of its own, and new events go before it', async (t) => {
  const { life, opener, consumer, handed, old } = await twoEpochs(t);
  const [first] = life.ledger.settlement.lives;
  assert.equal(first?.epoch, old);
  const links = opener.connects.length;
  const before = opener.broker.delivered.length;
  opener.say(Buffer.from(JSON.stringify({ epoch: old, through: 0, want: [[1, 7]] })));
  await life.until(
    () => life.link.sender.figures.inFlight === 7,
    () => 'the replay in flight',
  );
  await appendSales(life.ledger, 11, 12);
  await handed(11);
  assert.equal(opener.broker.delivered.length, before + 7 + 2);
  assert.equal(consumer.forks, 0);
  assert.equal(opener.connects.length, links);
  await life.close();
});
