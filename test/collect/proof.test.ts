/** What `--verify` finds of what somebody without a key does at the broker, over restarts too; and what is honest stays good. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eventSigner } from '../../src/platform/event-signer.ts';
import { createLog } from '../../src/platform/log.ts';
import type { EventSigner } from '../../src/ports.ts';
import { temporaryDirectory } from '../ledger/rig.ts';
import { type Desk, device, field, type MakeEvent, openDesk } from './rig.ts';

const PUMP = 'pump-42';

interface Scene {
  readonly open: () => Promise<Desk>;
  readonly signer: (name: string) => EventSigner;
}

async function setScene(t: TestContext): Promise<Scene> {
  const home = await temporaryDirectory(t);
  const log = createLog({ level: 'error', journal: false, write: () => undefined });
  const signer = (name: string): EventSigner => eventSigner(join(home, name), 'ed25519', log);
  let before: Desk | undefined;
  const open = async (): Promise<Desk> => {
    before?.leave();
    before = await openDesk(t, join(home, 'out'), () => ({ verify: true }));
    return before;
  };
  return { open, signer };
}

async function take(desk: Desk, ...events: readonly Buffer[]): Promise<void> {
  for (const event of events) desk.collector.take(PUMP, 'up/event/sale', event);
  await desk.collector.flush();
}

const named = (signer: EventSigner | undefined, old = ''): object => ({
  stream: 'agent',
  type: 'ledger.key',
  data: {
    key: field(signer?.keyId ?? ''),
    ...(signer === undefined ? {} : { public: field(signer.publicKey) }),
    ...(old === '' ? {} : { old_key: field(old) }),
  },
});

const began = (epoch: string, old = '', last = 0): object => ({
  stream: 'agent',
  type: 'ledger.epoch',
  data: { epoch: field(epoch), ...(old === '' ? {} : { old_epoch: field(old), old_last: field(String(last)) }) },
});

const gap = (epoch: string, from: number, through: number): object => ({
  stream: 'agent',
  type: 'ledger.gap',
  data: { epoch: field(epoch), from: field(String(from)), through: field(String(through)), why: field('damage') },
});

function badOf(desk: Desk): readonly string[] {
  return desk.happened.filter((line) => line.startsWith('BAD: '));
}

/** The first events of a signed ledger. */
function opening(make: MakeEvent, signer: EventSigner, epoch: string): readonly Buffer[] {
  return [make(1, began(epoch)), make(2, named(signer)), make(3)];
}

test('a signature that is stripped, or by an unknown key, is found, also after a restart', async (t) => {
  const { open, signer } = await setScene(t);
  const key = signer('state');
  const make = device(PUMP, 'A1', key);
  const first = await open();
  await take(first, ...opening(make, key, 'A1'));
  assert.deepEqual(badOf(first), []);
  const forge = device(PUMP, 'A1');
  const second = await open();
  await take(second, forge(4, { prev: 'x' }), forge(5), forge(6, { key: 'nobody', sig: 'xx' }));
  assert.deepEqual(badOf(second), [
    'BAD: pump-42 A1 seq 4: does not chain to the event before',
    `BAD: pump-42 A1 seq 4: is not signed, and ${key.keyId} signs here`,
    `BAD: pump-42 A1 seq 5: is not signed, and ${key.keyId} signs here`,
    `BAD: pump-42 A1 seq 6: is signed by nobody, a key that nothing here names; ${key.keyId} signs here`,
  ]);
});

test('an event that was held back over a restart must be the one that the event behind it chains to', async (t) => {
  const { open } = await setScene(t);
  const make = device(PUMP, 'A1');
  const events = [1, 2, 3, 4, 5, 6].map((seq) => make(seq));
  const [one, two, three, four, five, six] = events as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  await take(await open(), one, two, three, five, six);
  const altered = Buffer.from(four.toString().replace('"1.0"', '"0.0"'));
  const forged = await open();
  await take(forged, altered);
  assert.deepEqual(badOf(forged), ['BAD: pump-42 A1 seq 4: is not what the event behind it chains to']);
});

test('a key that was held back over a restart tells of the events that came before it', async (t) => {
  const { open, signer } = await setScene(t);
  const key = signer('state');
  const make = device(PUMP, 'A1', key);
  const first = make(1, began('A1'));
  const second = make(2, named(key));
  const forge = device(PUMP, 'A1');
  const held = await open();
  await take(held, first, forge(3), forge(4));
  assert.deepEqual(badOf(held), []);
  const later = await open();
  await take(later, second);
  assert.deepEqual(badOf(later), [
    'BAD: pump-42 A1 seq 2: is not what the event behind it chains to',
    `BAD: pump-42 A1 seq 3: with all through 4 is not signed, and ${key.keyId} signs here`,
  ]);
});

test('the key of up/info checks what a collector without its event gets, and takes nobody else for the device', async (t) => {
  const { open, signer } = await setScene(t);
  const key = signer('state');
  const make = device(PUMP, 'A1', key);
  const info = Buffer.from(JSON.stringify({ signing: { key: key.keyId, public: key.publicKey } }));
  const desk = await open();
  desk.collector.take(PUMP, 'up/info', info);
  const status = { ledger: { epoch: 'A1', first: 50, last: 53, older: [] } };
  const forge = device(PUMP, 'A1');
  const events = [make(50), make(51)];
  const [nobody, bare] = [forge(52, { key: 'nobody', sig: 'xx' }), forge(53)];
  await take(desk, ...events, nobody, bare);
  desk.collector.take(PUMP, 'up/status', Buffer.from(JSON.stringify(status)));
  await desk.collector.flush();
  assert.deepEqual([desk.collector.figures.unknown, desk.collector.figures.unsigned], [1, 1]);
  const chained = badOf(desk);
  for (let rounds = 0; rounds < 8; rounds += 1) {
    await desk.collector.say();
    desk.collector.take(PUMP, 'up/status', Buffer.from(JSON.stringify(status)));
    await desk.collector.flush();
  }
  desk.collector.finish();
  assert.equal(desk.collector.devices[0]?.book.done, true);
  assert.deepEqual(badOf(desk).slice(chained.length), [
    `BAD: pump-42 A1 seq 52: is signed by nobody, a key that nothing here names; ${key.keyId} signs here`,
    `BAD: pump-42 A1 seq 53: is not signed, and ${key.keyId} signs here`,
  ]);
});

test('a gap that is named without a signature is none, and an epoch that nobody signs is not the device’s', async (t) => {
  const { open, signer } = await setScene(t);
  const key = signer('state');
  const desk = await open();
  await take(desk, ...opening(device(PUMP, 'A1', key), key, 'A1'));
  const forge = device(PUMP, 'A1');
  await take(desk, forge(10, gap('A1', 4, 9)));
  assert.equal(desk.collector.devices[0]?.book.through('A1'), 3);
  const strange = device(PUMP, 'Z9');
  await take(desk, strange(1, began('Z9')), strange(2), strange(3));
  assert.deepEqual(
    badOf(desk),
    [1, 2, 3].map((seq) => `BAD: pump-42 Z9 seq ${seq}: is not signed, and ${key.keyId} signs here`),
  );
});

test('honest devices have nothing bad, in any order of coming and over restarts', async (t) => {
  const { signer } = await setScene(t);
  const [one, two] = [signer('one'), signer('two')];
  const bare = device(PUMP, 'A1');
  const ledger: Buffer[] = [bare(1, began('A1')), bare(2), bare(3), bare(4)];
  const signed = device(PUMP, 'B2', one);
  ledger.push(signed(1, began('B2', 'A1', 4)), signed(2, named(one)), signed(3), signed(4));
  const other = device(PUMP, 'C3', two);
  ledger.push(other(1, began('C3', 'B2', 4)), other(2, named(two, one.keyId)), other(3));
  const ended = device(PUMP, 'D4');
  ledger.push(ended(1, began('D4', 'C3', 3)), ended(2, named(undefined, two.keyId)), ended(3));
  const orders: readonly (readonly Buffer[])[] = [
    ledger,
    [...ledger].reverse(),
    [...ledger.filter((_, at) => at % 2 === 1), ...ledger.filter((_, at) => at % 2 === 0)],
    [...ledger.filter((_, at) => at % 3 !== 1), ...ledger.filter((_, at) => at % 3 === 1)],
  ];
  for (const [at, order] of orders.entries()) {
    const scene = await setScene(t);
    let bad: readonly string[] = [];
    for (const event of order) {
      const desk = await scene.open();
      await take(desk, event);
      desk.collector.finish();
      bad = [...bad, ...badOf(desk)];
    }
    assert.deepEqual(bad, [], `order ${at}`);
  }
});
