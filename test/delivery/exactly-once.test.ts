import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sale, temporaryDirectory } from '../ledger/rig.ts';
import { drain, Life, seeded, turn } from './life.ts';
import { type Flavour, ModelBroker } from './model-broker.ts';

interface Outcome {
  readonly accepted: ReadonlySet<string>;
  readonly broker: ModelBroker;
}

function neverRejects(error: unknown): never {
  throw new Error('append must never reject', { cause: error });
}

async function storm(t: TestContext, flavour: Flavour, seed: number, losesState: boolean): Promise<Outcome> {
  const random = seeded(seed);
  const directory = await temporaryDirectory(t);
  const broker = new ModelBroker(flavour);
  const accepted = new Set<string>();
  let life = await Life.start(directory, { t });
  let next = 1;
  for (let step = 0; step < 400; step += 1) {
    const dice = random();
    if (dice < 0.35) {
      for (let n = 0; n < 1 + random() * 10; n += 1) {
        const seq = next;
        next += 1;
        const kept = life.ledger;
        kept.append(sale(seq)).then((result) => {
          if (result.kind === 'accepted') accepted.add(String(seq));
        }, neverRejects);
      }
    } else if (dice < 0.8) life.up?.answer(1 + Math.floor(random() * 30));
    else if (dice < 0.86) life.cut();
    else if (dice < 0.93) {
      if (life.up === undefined) await life.connect(broker);
    } else if (dice < 0.95) {
      await life.crash();
      life = await Life.start(directory, { t });
    } else if (dice < 0.96 && losesState) {
      life.cut();
      broker.forget();
    } else await turn();
    if (random() < 0.3) await turn();
  }
  await drain(life, broker);
  await life.close();
  return { accepted, broker };
}

function salesOf(broker: ModelBroker): string[] {
  return broker.delivered.flatMap(({ payload }) => {
    const event = JSON.parse(payload) as { readonly source?: { readonly seq: string } };
    return event.source === undefined ? [] : [event.source.seq];
  });
}

for (const flavour of ['mosquitto', 'emqx-5', 'emqx-6.2'] as const) {
  test(`each accepted event is delivered exactly once through cuts and crashes, answers as of ${flavour}`, async (t) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const { accepted, broker } = await storm(t, flavour, seed, false);
      const sales = salesOf(broker);
      const once = new Set(sales);
      const doubled = sales.filter((seq, at) => sales.indexOf(seq) !== at);
      assert.deepEqual(doubled, [], `seed ${seed}: doubled on the wire`);
      assert.deepEqual(
        [...accepted].filter((seq) => !once.has(seq)),
        [],
        `seed ${seed}: lost`,
      );
      assert.deepEqual(
        sales,
        [...sales].sort((a, b) => Number(a) - Number(b)),
        `seed ${seed}: order`,
      );
    }
  });

  test(`a broker that forgets costs repeats with the same identity, never another event, answers as of ${flavour}`, async (t) => {
    for (let seed = 101; seed <= 106; seed += 1) {
      const { broker } = await storm(t, flavour, seed, true);
      const texts = new Map<string, string>();
      for (const { payload } of broker.delivered) {
        const { seq } = JSON.parse(payload) as { readonly seq: number };
        assert.equal(texts.get(String(seq)) ?? payload, payload, `seed ${seed}: seq ${seq} with other bytes`);
        texts.set(String(seq), payload);
      }
    }
  });
}

test('quota and busy are tried again, a dead letter never blocks the rest, in order where nothing was refused', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(await temporaryDirectory(t), { t });
  await life.connect(broker);
  broker.refusals.push(0x97, 0x89, 0x99);
  const appended = Array.from({ length: 10 }, (_, at) => life.ledger.append(sale(at + 1)));
  for (const result of await Promise.all(appended)) assert.equal(result.kind, 'accepted');
  const until = performance.now() + 10_000;
  while (life.ledger.figures.unsent > 0) {
    assert.ok(performance.now() < until);
    life.up?.answer(5);
    await turn();
  }
  assert.equal(life.ledger.figures.dead, 1);
  assert.equal(broker.delivered.length, 10);
  await life.close();
});

async function settle(life: Life, done: () => boolean): Promise<void> {
  const until = performance.now() + 10_000;
  while (!done()) {
    assert.ok(performance.now() < until, 'not done in time');
    life.up?.answer(5);
    await turn();
  }
}

test('a stream that an access rule forbids waits and is named; the other streams go on', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const directory = await temporaryDirectory(t);
  const life = await Life.start(directory, { t });
  await life.connect(broker);
  broker.forbidden.add('fp/v1/pump-42/up/event/sale');
  const kept = Array.from({ length: 5 }, (_, at) => life.ledger.append(sale(at + 1)));
  const others = Array.from({ length: 5 }, (_, at) => life.ledger.append({ ...sale(at + 11), stream: 'meter' }));
  for (const result of await Promise.all([...kept, ...others])) assert.equal(result.kind, 'accepted');
  await settle(life, () => life.ledger.figures.unsent === 5);
  assert.deepEqual(life.sender.figures.forbidden, ['sale']);
  assert.equal(broker.delivered.filter((one) => one.topic.endsWith('/meter')).length, 5);
  // A new connection tries again, and the rule has been mended.
  broker.forbidden.clear();
  life.cut();
  await life.close();
  const next = await Life.start(directory, { t });
  await next.connect(broker);
  await settle(next, () => next.ledger.figures.unsent === 0);
  assert.deepEqual(salesOf(broker), ['11', '12', '13', '14', '15', '1', '2', '3', '4', '5']);
  await next.close();
});

test('streams that stay forbidden are refused before their holes fill the ledger, and each is taken when its rule is mended', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const directory = await temporaryDirectory(t);
  const life = await Life.start(directory, { t, piecesMax: 20 });
  await life.connect(broker);
  for (const stream of ['sale', 'tank']) broker.forbidden.add(`fp/v1/pump-42/up/event/${stream}`);
  const kept: string[] = [];
  const refused: string[] = [];
  for (let n = 1; n <= 100 && refused.length === 0; n += 1) {
    for (const [at, stream] of ['sale', 'tank'].entries()) {
      const result = await life.ledger.append({ ...sale(at * 1000 + n), stream });
      if (result.kind === 'accepted') kept.push(stream);
      else if (result.kind === 'refused') refused.push(result.code);
    }
    assert.equal((await life.ledger.append({ ...sale(2000 + n), stream: 'meter' })).kind, 'accepted');
    await settle(life, () => life.ledger.figures.unsent === kept.length);
  }
  assert.deepEqual(refused, ['ledger.fragmented', 'ledger.fragmented']);
  assert.ok(kept.length < 60, `${kept.length} were taken`);
  broker.forbidden.delete('fp/v1/pump-42/up/event/sale');
  life.cut();
  await life.close();
  const next = await Life.start(directory, { t, piecesMax: 20 });
  assert.equal((await next.ledger.append(sale(500))).kind, 'refused', 'nobody knows yet that the rule is mended');
  await next.connect(broker);
  const tanks = kept.filter((stream) => stream === 'tank').length;
  await settle(next, () => next.ledger.figures.unsent === tanks);
  assert.equal((await next.ledger.append(sale(500))).kind, 'accepted');
  assert.equal((await next.ledger.append({ ...sale(1500), stream: 'tank' })).kind, 'refused');
  await settle(next, () => next.ledger.figures.unsent === tanks);
  assert.deepEqual(
    salesOf(broker).filter((seq) => Number(seq) < 1000),
    [...Array.from({ length: kept.length - tanks }, (_, at) => String(at + 1)), '500'],
  );
  await next.close();
});

test('a stream whose events die is refused before the dead letters fill the ledger; the others go on', async (t) => {
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(await temporaryDirectory(t), { t, piecesMax: 20 });
  // The sales are too large for this broker.
  await life.connect(broker, { maximumPacketSize: 2000 });
  let [dead, refused] = [0, ''];
  for (let n = 1; n <= 100 && refused === ''; n += 1) {
    const result = await life.ledger.append({ ...sale(n), raw: Buffer.alloc(3000) });
    if (result.kind === 'refused') refused = result.code;
    else dead += 1;
    assert.equal((await life.ledger.append({ ...sale(1000 + n), stream: 'meter' })).kind, 'accepted');
    await settle(life, () => life.ledger.figures.unsent === 0 && life.ledger.figures.dead === dead);
  }
  assert.equal(refused, 'ledger.fragmented');
  assert.ok(dead < 30, `${dead} were taken`);
  await life.close();
});

test('a receive maximum of 1 is served one event at a time, in order', async (t) => {
  const broker = new ModelBroker('emqx-5');
  const life = await Life.start(await temporaryDirectory(t), { t });
  await life.connect(broker, { receiveMaximum: 1 });
  const appends = Array.from({ length: 20 }, (_, at) => life.ledger.append(sale(at + 1)));
  await Promise.all(appends);
  let most = 0;
  await settle(life, () => {
    most = Math.max(most, life.sender.figures.inFlight);
    return life.ledger.figures.unsent === 0;
  });
  assert.equal(most, 1);
  assert.equal(salesOf(broker).length, 20);
  await life.close();
});

test("an event above the broker's maximum packet size is a dead letter, and the rest goes on", async (t) => {
  const broker = new ModelBroker('mosquitto');
  const life = await Life.start(await temporaryDirectory(t), { t });
  await life.connect(broker, { maximumPacketSize: 2000 });
  const big = { ...sale(1), raw: Buffer.alloc(4000) };
  assert.equal((await life.ledger.append(big)).kind, 'accepted');
  assert.equal((await life.ledger.append(sale(2))).kind, 'accepted');
  await settle(life, () => life.ledger.figures.dead === 1 && life.ledger.figures.unsent === 0);
  assert.deepEqual(salesOf(broker), ['2']);
  await life.close();
});

test('an old epoch is handed over before the new one, each in a session of its own', async (t) => {
  const broker = new ModelBroker('emqx-5');
  const directory = await temporaryDirectory(t);
  const before = await Life.start(directory, { t });
  for (let seq = 1; seq <= 300; seq += 1) {
    const result = before.ledger.append(sale(seq));
    if (seq % 50 === 0) assert.equal((await result).kind, 'accepted');
  }
  await before.close();
  const segments = (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort();
  assert.ok(segments.length >= 2);
  // The newest segment is gone: its last sequence can not be known, so a new epoch begins.
  await rm(join(directory, segments.at(-1) as string));
  const life = await Life.start(directory, { t });
  for (let seq = 1001; seq <= 1005; seq += 1) assert.equal((await life.ledger.append(sale(seq))).kind, 'accepted');
  await life.connect(broker);
  await settle(life, () => life.sessionOver);
  const old = salesOf(broker);
  assert.ok(old.length > 50 && old.every((seq) => Number(seq) <= 300), `${old.length} of the old epoch`);
  life.cut();
  life.sessionOver = false;
  await life.connect(broker);
  await settle(life, () => life.ledger.figures.unsent === 0);
  assert.deepEqual(salesOf(broker), [...old, '1001', '1002', '1003', '1004', '1005']);
  const epochs = broker.delivered.map(({ payload }) => (JSON.parse(payload) as { readonly epoch: string }).epoch);
  assert.equal(new Set(epochs).size, 2);
  assert.equal(broker.publishes.length, broker.delivered.length);
  await life.close();
});
