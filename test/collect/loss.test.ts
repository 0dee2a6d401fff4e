/** What will never come, what is lost, and what only the device may say of it; all of it over restarts of the collector. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CollectorOptions } from '../../src/collect/collector.ts';
import { verifyingKey } from '../../src/ledger/signature.ts';
import { eventSigner } from '../../src/platform/event-signer.ts';
import { createLog } from '../../src/platform/log.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { type Desk, device, field, openDesk } from './rig.ts';

const PUMP = 'pump-42';

interface KeptEpoch {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
}

/** A status: the epoch that the device is on, and the older ones that it keeps. */
function hears({ collector }: Desk, live: KeptEpoch, older: readonly KeptEpoch[] = [], old = false): void {
  const status = { v: 1, state: 'online', ledger: { ...live, older } };
  collector.take(PUMP, 'up/status', Buffer.from(JSON.stringify(status)), old);
}

function takes({ collector }: Desk, ...events: readonly Buffer[]): void {
  for (const event of events) collector.take(PUMP, 'up/event/sale', event);
}

const gap = (epoch: string, from: string, through: string): object => ({
  stream: 'agent',
  type: 'ledger.gap',
  data: { epoch: field(epoch), from: field(from), through: field(through), why: field('torn') },
});

/** Says receipts until it asks for something, or has nothing to ask for. */
async function receiptOf(desk: Desk): Promise<Readonly<Record<string, unknown>>> {
  await desk.collector.flush();
  for (let look = 0; look < 100; look += 1) await desk.collector.say();
  await desk.collector.flush();
  const line = desk.happened.findLast((one) => one.startsWith('receipt ')) ?? 'receipt {}';
  const { epoch, through, want } = JSON.parse(line.slice('receipt '.length)) as Record<string, unknown>;
  return { epoch, through, ...(want === undefined ? {} : { want }) };
}

const ranges = (desk: Desk, epoch: string): unknown => desk.collector.devices[0]?.book.lost(epoch);
const losses = (desk: Desk): readonly string[] => desk.happened.filter((line) => line.startsWith('LOST'));

test('a gap that the ledger names is still known after a restart', async (t) => {
  const out = await temporaryDirectory(t);
  const first = await openDesk(t, out);
  const make = device(PUMP, 'A1');
  for (let seq = 1; seq <= 5; seq += 1) takes(first, make(seq));
  takes(first, make(8, gap('A1', '6', '7')), make(9), make(10));
  assert.deepEqual(await receiptOf(first), { epoch: 'A1', through: 10 });
  first.leave();
  const second = await openDesk(t, out);
  takes(second, make(11), make(12));
  assert.deepEqual(await receiptOf(second), { epoch: 'A1', through: 12 });
});

test('what is learned of a ledger is on disk before the event that says it is acknowledged', async (t) => {
  const out = await temporaryDirectory(t);
  let written = 0;
  const slow = ({ state }: CollectorOptions): Partial<CollectorOptions> => ({
    state: {
      open: async (name, parse, initial) => {
        const kept = await state.open(name, parse, initial);
        return {
          get value() {
            return kept.value;
          },
          write: async (value) => {
            await kept.write(value);
            await new Promise((resolve) => setTimeout(resolve, 50));
            assert.ok(!desk.happened.includes('release'), 'acknowledged too early');
            written += 1;
          },
        };
      },
    },
  });
  const desk: Desk = await openDesk(t, out, slow);
  const make = device(PUMP, 'A1');
  takes(desk, make(1), make(4, gap('A1', '2', '3')));
  await desk.collector.flush();
  assert.deepEqual([written > 0, desk.happened.at(-1)], [true, 'release']);
});

test('a gap with ends that are no sequences counts for nothing', async (t) => {
  const desk = await openDesk(t, await temporaryDirectory(t));
  const make = device(PUMP, 'A1');
  const ends = ['1e308', 'Infinity', '9007199254740991', '1000000001', '-1', '', '0x10', '3'];
  for (const [at, through] of ends.entries()) takes(desk, make(at + 10, gap('A1', '4', through)));
  takes(desk, make(1), make(2), make(3), make(18, gap('A1', '0', '9')));
  hears(desk, { epoch: 'A1', first: 9_007_199_254_740_991, last: 1 });
  assert.deepEqual(await receiptOf(desk), { epoch: 'A1', through: 3, want: [[4, 9]] });
});

test('a gap named by an event that is bad counts when it was sent again and is good by the right key', async (t) => {
  const home = await temporaryDirectory(t);
  const log = createLog({ level: 'error', journal: false, write: () => undefined });
  const [right, wrong] = ['right', 'wrong'].map((name) => eventSigner(join(home, name), 'ed25519', log));
  const by = (signer = right): Partial<CollectorOptions> => ({
    verify: true,
    pinned: signer === undefined ? [] : [verifyingKey(Buffer.from(signer.publicKey, 'base64'))],
  });
  const make = device(PUMP, 'A1', right);
  const first = make(1);
  const named = make(4, gap('A1', '2', '3'));
  const one = await openDesk(t, join(home, 'out'), () => by(wrong));
  takes(one, first, named);
  assert.deepEqual(await receiptOf(one), { epoch: 'A1', through: 1, want: [[2, 3]] });
  assert.equal(one.collector.figures.problems, 2);
  one.leave();
  const two = await openDesk(t, join(home, 'out'), () => by(right));
  takes(two, named);
  assert.deepEqual(await receiptOf(two), { epoch: 'A1', through: 4 });
  assert.deepEqual([two.collector.figures.problems, two.collector.figures.repeats], [0, 1]);
});

test('the order of epochs is known after a restart, and the receipt is for the newest', async (t) => {
  const out = await temporaryDirectory(t);
  const first = await openDesk(t, out);
  takes(first, device(PUMP, 'ZZ')(1), device(PUMP, 'MM')(1), device(PUMP, 'AA')(1));
  assert.deepEqual(await receiptOf(first), { epoch: 'AA', through: 1 });
  first.leave();
  const second = await openDesk(t, out);
  assert.deepEqual(second.collector.devices[0]?.book.epochs, ['ZZ', 'MM', 'AA']);
  assert.deepEqual(await receiptOf(second), { epoch: 'AA', through: 1 });
});

test('a device that was replaced costs what it had not sent, told once and kept, and its successor is settled', async (t) => {
  const out = await temporaryDirectory(t);
  const desk = await openDesk(t, out);
  const old = device(PUMP, 'OLD');
  hears(desk, { epoch: 'OLD', first: 1, last: 100 });
  for (let seq = 1; seq <= 90; seq += 1) takes(desk, old(seq));
  assert.deepEqual(await receiptOf(desk), { epoch: 'OLD', through: 90, want: [[91, 100]] });
  const live = { epoch: 'NEW', first: 1, last: 2 };
  const fresh = device(PUMP, 'NEW');
  takes(desk, fresh(1), fresh(2));
  hears(desk, live, [], true);
  assert.deepEqual(losses(desk), [], 'a status that the broker had kept is no evidence');
  hears(desk, live);
  assert.deepEqual(await receiptOf(desk), { epoch: 'NEW', through: 2 });
  hears(desk, live);
  await desk.collector.flush();
  assert.deepEqual(losses(desk), [`LOST: ${PUMP} OLD: 91 to 100 never came and are no longer on the device`]);
  assert.deepEqual([desk.collector.figures.lost, ranges(desk, 'OLD')], [10, [[91, 100]]]);
  desk.leave();
  const again = await openDesk(t, out);
  hears(again, live);
  assert.deepEqual(await receiptOf(again), { epoch: 'NEW', through: 2 });
  assert.deepEqual([again.collector.figures.lost, ranges(again, 'OLD'), losses(again)], [10, [[91, 100]], []]);
});

test('what an older epoch lacks is not forgotten by a restart before the device is replaced', async (t) => {
  const out = await temporaryDirectory(t);
  const first = await openDesk(t, out);
  hears(first, { epoch: 'OLD', first: 1, last: 9 });
  takes(first, device(PUMP, 'OLD')(1));
  assert.deepEqual(await receiptOf(first), { epoch: 'OLD', through: 1, want: [[2, 9]] });
  await first.collector.flush();
  first.leave();
  const second = await openDesk(t, out);
  hears(second, { epoch: 'NEW', first: 1, last: 0 });
  assert.deepEqual(await receiptOf(second), { epoch: 'OLD', through: 1, want: [[2, 9]] });
  hears(second, { epoch: 'NEW', first: 1, last: 0 });
  await second.collector.flush();
  assert.equal(second.collector.figures.lost, 8);
});

test('an older epoch of which the device keeps something is waited for, and what is sent again completes it', async (t) => {
  const desk = await openDesk(t, await temporaryDirectory(t));
  const older = { epoch: 'A1', first: 1, last: 3 };
  const live = { epoch: 'B1', first: 1, last: 1 };
  const make = device(PUMP, 'A1');
  takes(desk, make(1));
  const rest = [make(2), make(3)];
  const epoch = { epoch: field('B1'), old_epoch: field('A1'), old_last: field('3') };
  takes(desk, device(PUMP, 'B1')(1, { stream: 'agent', type: 'ledger.epoch', data: epoch }));
  for (let status = 0; status < 5; status += 1) {
    hears(desk, live, [older]);
    assert.deepEqual(await receiptOf(desk), { epoch: 'A1', through: 1, want: [[2, 3]] });
  }
  takes(desk, ...rest);
  assert.deepEqual(await receiptOf(desk), { epoch: 'B1', through: 1 });
  assert.equal(desk.collector.figures.lost, 0);
});

test('an epoch that nobody ever saw is lost as a whole when its successor names it and the device does not', async (t) => {
  const desk = await openDesk(t, await temporaryDirectory(t));
  const live = { epoch: 'B1', first: 1, last: 1 };
  const epoch = { epoch: field('B1'), old_epoch: field('A1'), old_last: field('7') };
  takes(desk, device(PUMP, 'B1')(1, { stream: 'agent', type: 'ledger.epoch', data: epoch }));
  hears(desk, live);
  assert.deepEqual(await receiptOf(desk), { epoch: 'A1', through: 0, want: [[1, 7]] });
  hears(desk, live);
  assert.deepEqual(await receiptOf(desk), { epoch: 'B1', through: 1 });
  assert.equal(desk.collector.figures.lost, 7);
});

test('events that are dropped on their way are asked for, and lost in the open when a status denies them', async (t) => {
  const desk = await openDesk(t, await temporaryDirectory(t));
  const make = device(PUMP, 'A1');
  const all = Array.from({ length: 12 }, (_, at) => make(at + 1));
  takes(desk, ...all.slice(0, 3), ...all.slice(9));
  // In one batch with the events: what came a moment ago is not lost.
  hears(desk, { epoch: 'A1', first: 10, last: 12 });
  assert.deepEqual(await receiptOf(desk), { epoch: 'A1', through: 3, want: [[4, 9]] });
  assert.deepEqual(losses(desk), []);
  hears(desk, { epoch: 'A1', first: 10, last: 12 });
  assert.deepEqual(await receiptOf(desk), { epoch: 'A1', through: 12 });
  assert.deepEqual(losses(desk), [`LOST: ${PUMP} A1: 4 to 9 never came and are no longer on the device`]);
  assert.equal(desk.collector.figures.lost, 6);
  takes(desk, ...all);
  await desk.collector.flush();
  assert.equal(desk.collector.figures.lost, 0, 'they came after all');
});

test('a collector that sends no receipts tells a loss too', async (t) => {
  const desk = await openDesk(t, await temporaryDirectory(t), () => ({ receipts: false }));
  takes(desk, device(PUMP, 'A1')(10));
  for (let status = 0; status < 2; status += 1) {
    hears(desk, { epoch: 'A1', first: 10, last: 10 });
    assert.deepEqual(await receiptOf(desk), { epoch: undefined, through: undefined });
  }
  assert.equal(desk.collector.figures.lost, 9);
});
