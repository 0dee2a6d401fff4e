/**
 * Receipts against a broker that forgets everything, also what it had acknowledged and not yet passed on: with them nothing
 * is lost, whatever crashes; and a consumer that is far behind does not hold up what is new.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventHash } from '../../src/ledger/event.ts';
import { sale, temporaryDirectory } from '../ledger/rig.ts';
import { Life, type LifeOptions, memoryState, seeded, turn } from './life.ts';
import { Consumer, started, type Text, until } from './receipt-rig.ts';
import { type Flavour, ModelBroker } from './model-broker.ts';

async function storm(t: TestContext, flavour: Flavour, seed: number): Promise<void> {
  const random = seeded(seed);
  const directory = await temporaryDirectory(t);
  const broker = new ModelBroker(flavour);
  const consumer = new Consumer(broker);
  const accepted = new Set<string>();
  const options: LifeOptions = { t, receipts: true, state: memoryState() };
  let life = await Life.start(directory, options);
  let next = 1;
  const tell = (): void => {
    const { epoch, last } = life.ledger.figures;
    life.receipts.take(consumer.say(epoch, last));
  };
  const connect = async (): Promise<void> => {
    await life.connect(broker);
    if (consumer.receipt !== undefined) life.receipts.take(consumer.receipt);
  };
  for (let step = 0; step < 400; step += 1) {
    const dice = random();
    if (dice < 0.3) {
      for (let n = 0; n < 1 + random() * 8; n += 1) {
        const seq = next;
        next += 1;
        life.ledger.append(sale(seq)).then(
          (result) => result.kind === 'accepted' && accepted.add(String(seq)),
          (error: unknown) => assert.fail(String(error)),
        );
      }
    } else if (dice < 0.65) life.up?.answer(1 + Math.floor(random() * 20));
    else if (dice < 0.75) consumer.read(Math.floor(random() * 10));
    else if (dice < 0.8 && life.up !== undefined) tell();
    else if (dice < 0.86) life.cut();
    else if (dice < 0.93) {
      if (life.up === undefined) await connect();
    } else if (dice < 0.95) {
      await life.crash();
      life = await Life.start(directory, options);
    } else if (dice < 0.97) {
      life.cut();
      broker.forget();
      consumer.forget();
    }
    if (random() < 0.3) await turn();
  }
  await until(
    () => life.ledger.figures.unsettled === 0 && life.ledger.figures.unsent === 0,
    `seed ${seed}: everything to settle; ${JSON.stringify(life.ledger.figures)}`,
    async () => {
      if (life.up === undefined) await connect();
      life.up?.answer(100);
      consumer.read();
      tell();
    },
  );
  await life.close();
  const lost = [...accepted].filter((seq) => !consumer.sales.has(seq));
  assert.deepEqual(lost, [], `seed ${seed}: lost`);
  assert.equal(consumer.forks, 0, `seed ${seed}: the same identity with other bytes`);
}

for (const flavour of ['mosquitto', 'emqx-5', 'emqx-6.2'] as const) {
  test(`with receipts nothing is lost by a broker that forgets what it acknowledged, answers as of ${flavour}`, async (t) => {
    for (let seed = 1; seed <= 10; seed += 1) await storm(t, flavour, seed);
  });
}

test('handed over is not settled: the receipt decides, and what it covers is not replayed after a lost session', async (t) => {
  const { life, broker, consumer } = await started(t, 500);
  assert.equal(life.ledger.figures.unsettled, 501);
  consumer.read(301);
  const { epoch } = life.ledger.figures;
  life.receipts.take(consumer.say(epoch, 0));
  await until(
    () => life.ledger.figures.unsettled === 200,
    'the receipt to count',
    () => undefined,
  );
  life.cut();
  broker.forget();
  consumer.forget();
  const before = broker.delivered.length;
  await life.connect(broker);
  await until(
    () => life.ledger.figures.unsent === 0,
    'the replay',
    () => void life.up?.answer(100),
  );
  consumer.read();
  assert.equal(broker.delivered.length - before, 200);
  assert.equal(consumer.events.size, 501);
  life.receipts.take(consumer.say(epoch, 501));
  await until(
    () => life.ledger.figures.unsettled === 0,
    'everything to settle',
    () => undefined,
  );
  await life.close();
});

test('a retained receipt that comes first spares a replay that nobody needs', async (t) => {
  const { life, broker, consumer } = await started(t, 300);
  consumer.read();
  life.cut();
  broker.forget();
  const before = broker.delivered.length;
  await life.connect(broker);
  assert.equal(life.ledger.figures.unsent, 301, 'as far as the ledger knows, all of it is to be sent again');
  life.receipts.take(consumer.say(life.ledger.figures.epoch, 0));
  await until(
    () => life.ledger.figures.unsent === 0,
    'the replay to be taken back',
    () => void life.up?.answer(100),
  );
  assert.equal(broker.delivered.length, before);
  await life.close();
});

test('a replay of thousands does not hold up new events, and both arrive', async (t) => {
  const { life, broker, consumer } = await started(t, 3000);
  life.cut();
  broker.forget();
  consumer.forget();
  await life.connect(broker);
  life.receipts.take(consumer.say(life.ledger.figures.epoch, 0));
  await until(
    () => life.sender.figures.inFlight > 0,
    'the replay to begin',
    () => undefined,
  );
  for (let n = 0; n < 5; n += 1) life.up?.answer(8);
  for (let n = 1; n <= 20; n += 1) assert.equal((await life.ledger.append(sale(10_000 + n))).kind, 'accepted');
  const behind = (): number => life.ledger.figures.unsent;
  const isNew = (payload: string): boolean => (JSON.parse(payload) as Text).source?.seq.startsWith('100') ?? false;
  await until(
    () => broker.delivered.filter(({ payload }) => isNew(payload)).length === 20,
    'the new events',
    () => void life.up?.answer(8),
  );
  assert.ok(behind() > 2000, `${behind()} of the replay were still to come`);
  await until(
    () => behind() === 0,
    'the replay',
    () => void life.up?.answer(100),
  );
  consumer.read();
  assert.equal(consumer.events.size, 3021);
  await life.close();
});

test('what a receipt wants comes again, once for each distinct receipt, also after a restart', async (t) => {
  const state = memoryState();
  const { life, broker, consumer, directory } = await started(t, 100, { receipts: true, state });
  consumer.read();
  const { epoch } = life.ledger.figures;
  const hash = eventHash(Buffer.from(consumer.events.get(`${epoch} 101`) ?? ''));
  const receipt = Buffer.from(
    JSON.stringify({
      epoch,
      through: 101,
      hash,
      want: [
        [5, 9],
        [50, 50],
        [90, 5000],
      ],
    }),
  );
  const before = broker.delivered.length;
  life.receipts.take(receipt);
  await until(
    () => broker.delivered.length === before + 18,
    '18 events again',
    () => void life.up?.answer(100),
  );
  life.receipts.take(receipt);
  await until(
    () => life.receipts.figures.taken === 2,
    'the same receipt',
    () => void life.up?.answer(100),
  );
  await until(
    () => life.ledger.figures.unsent === 0,
    'nothing more to send',
    () => void life.up?.answer(100),
  );
  await life.close();
  const next = await Life.start(directory, { t, receipts: true, state });
  await next.connect(broker);
  next.receipts.take(receipt);
  await until(
    () => next.receipts.figures.taken === 1,
    'the same receipt',
    () => void next.up?.answer(100),
  );
  assert.equal(next.ledger.figures.unsent, 0);
  assert.equal(broker.delivered.length, before + 18);
  await next.close();
});

test('with receipts off a consumer can still ask for what it misses', async (t) => {
  const { life, broker, consumer } = await started(t, 50, {});
  assert.equal(life.ledger.figures.unsettled, 0);
  consumer.read();
  const { epoch } = life.ledger.figures;
  const before = broker.delivered.length;
  life.receipts.take(Buffer.from(JSON.stringify({ epoch, through: 0, want: [[1, 10]] })));
  await until(
    () => broker.delivered.length === before + 10,
    '10 events again',
    () => void life.up?.answer(100),
  );
  await life.close();
});

test('garbage, backward receipts and those of unknown epochs change nothing and are reported', async (t) => {
  const { life, consumer } = await started(t, 20);
  consumer.read();
  const { epoch } = life.ledger.figures;
  life.receipts.take(consumer.say(epoch, 0));
  await until(
    () => life.ledger.figures.unsettled === 0,
    'the receipt to count',
    () => undefined,
  );
  const hash = eventHash(Buffer.from(consumer.events.get(`${epoch} 5`) ?? ''));
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['{', /garbage: no JSON/],
    [[], /garbage: no JSON object/],
    [{ epoch: '../x', through: 1 }, /garbage: epoch/],
    [{ epoch, through: -1 }, /garbage: through/],
    [{ epoch, through: 5 }, /garbage: hash/],
    [{ epoch, through: 0, want: [[5, 1]] }, /garbage: want/],
    [{ epoch, through: 0, want: 'all' }, /garbage: want/],
    [{ epoch: 'ZZZZZZZZ', through: 5, hash }, /nothing is kept of epoch ZZZZZZZZ/],
    [{ epoch, through: 5, hash }, /backward: 21 of \w+ is settled, this says 5/],
  ];
  for (const [at, [receipt, reason]] of bad.entries()) {
    life.receipts.take(Buffer.from(typeof receipt === 'string' ? receipt : JSON.stringify(receipt)));
    await until(
      () => life.receipts.figures.refused === at + 1,
      `refusal ${at + 1}`,
      () => undefined,
    );
    assert.match(life.receipts.figures.refusal ?? '', reason);
  }
  life.receipts.take(Buffer.alloc(70_000, 0x20));
  await until(
    () => life.receipts.figures.refused === bad.length + 1,
    'the refusal',
    () => undefined,
  );
  assert.deepEqual(
    [life.ledger.figures.unsettled, life.ledger.figures.unsent, life.ledger.figures.epoch],
    [0, 0, epoch],
  );
  await life.close();
});

test('a restored copy of the ledger is noticed by the receipt, and goes on in a new epoch that names the old one', async (t) => {
  const { life, broker, consumer, directory } = await started(t, 30);
  const { epoch } = life.ledger.figures;
  await life.close();
  const copy = join(await temporaryDirectory(t), 'copy');
  await cp(directory, copy, { recursive: true });
  const first = await Life.start(directory, { t, receipts: true });
  await first.connect(broker);
  for (let n = 31; n <= 40; n += 1) assert.equal((await first.ledger.append(sale(n))).kind, 'accepted');
  await until(
    () => first.ledger.figures.unsent === 0,
    'the events',
    () => void first.up?.answer(100),
  );
  await first.close();
  consumer.read();
  const receipt = consumer.say(epoch, 0);

  // The card is put back as it was; what is sold before the receipt comes has numbers that the consumer knows as others.
  const second = await Life.start(copy, { t, receipts: true });
  assert.equal((await second.ledger.append(sale(41))).kind, 'accepted');
  await second.connect(broker);
  second.receipts.take(receipt);
  await until(
    () => second.receipts.figures.forked,
    'the copy to be noticed',
    () => void second.up?.answer(100),
  );
  assert.equal((await second.ledger.append(sale(42))).kind, 'accepted');
  await until(
    () => second.ledger.figures.unsent === 0,
    'both epochs',
    async () => {
      second.up?.answer(100);
      if (!second.sessionOver) return;
      second.sessionOver = false;
      second.cut();
      await second.connect(broker);
    },
  );
  consumer.read();
  assert.equal(consumer.forks, 1, 'sale 41 has the number of another event: kept apart');
  const texts = broker.delivered.map(({ payload }) => JSON.parse(payload) as Text);
  const start = texts.find((text) => text.type === 'ledger.epoch' && text.epoch !== epoch);
  assert.deepEqual([start?.data['old_epoch']?.value, start?.data['old_last']?.value], [epoch, '32']);
  for (const seq of ['41', '42']) assert.ok(consumer.sales.has(seq), `sale ${seq}`);
  // The same receipt again begins no further epoch.
  const { epoch: now } = second.ledger.figures;
  second.receipts.take(receipt);
  await until(
    () => second.receipts.figures.refused === 1,
    'the old receipt',
    () => undefined,
  );
  assert.equal(second.ledger.figures.epoch, now);
  await second.close();
});

test('a dead letter that is tried again is delivered, and one that is given up is named as a gap', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(await temporaryDirectory(t), { t });
  await life.connect(broker);
  await until(
    () => life.ledger.figures.unsent === 0 && life.ledger.figures.last === 1,
    'the first event',
    () => void life.up?.answer(5),
  );
  broker.refusals.push(0x99, 0x99);
  assert.equal((await life.ledger.append(sale(1))).kind, 'accepted');
  assert.equal((await life.ledger.append(sale(2))).kind, 'accepted');
  await until(
    () => life.ledger.figures.dead === 2,
    'two dead letters',
    () => void life.up?.answer(5),
  );
  const [own] = life.ledger.settlement.lives;
  assert.ok(own);
  assert.equal(life.ledger.settlement.reopen(own, 2, 2).size, 1);
  const sent = (seq: string): boolean =>
    broker.delivered.some(({ payload }) => (JSON.parse(payload) as Text).source?.seq === seq);
  life.sender.receiptTaken(own.ordinal, 0);
  await until(
    () => sent('1'),
    'the dead letter that was tried again',
    () => void life.up?.answer(5),
  );
  assert.equal(life.ledger.settlement.giveUp(own, 3), true);
  assert.equal(life.ledger.settlement.giveUp(own, 3), false);
  const gap = (): Text | undefined =>
    broker.delivered.map(({ payload }) => JSON.parse(payload) as Text).find(({ type }) => type === 'ledger.gap');
  await until(
    () => gap() !== undefined,
    'the gap',
    () => void life.up?.answer(5),
  );
  assert.deepEqual(
    [gap()?.data['from']?.value, gap()?.data['through']?.value, gap()?.data['why']?.value],
    ['3', '3', 'given-up'],
  );
  assert.deepEqual([life.ledger.figures.dead, sent('2')], [0, false]);
  await life.close();
});
