/** What a consumer knows and says: gaps, epochs that follow each other, and receipts that never claim too much. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceBook, type Kept } from '../../src/collect/book.ts';
import { readEvent } from '../../src/collect/event-text.ts';
import { type Interval, IntervalSet } from '../../src/ledger/intervals.ts';

function kept(...ranges: Interval[]): Kept {
  const had = new IntervalSet(ranges);
  return { had, hashAt: (seq) => (had.has(seq) ? `hash-${seq}` : undefined) };
}

const facts = (epoch: string, oldEpoch = '', oldLast = 0) => ({ epoch, oldEpoch, oldLast });

test('a receipt covers what came without a gap, and asks for the rest', () => {
  const book = new DeviceBook();
  book.open(facts('A'), kept([1, 5], [8, 10]));
  book.sawLast('A', 12);
  assert.deepEqual(book.receipt(true), {
    epoch: 'A',
    through: 5,
    hash: 'hash-5',
    want: [
      [6, 7],
      [11, 12],
    ],
  });
  assert.deepEqual(book.receipt(false)?.want, []);
  assert.equal(book.complete, false);
});

test('nothing had is nothing claimed', () => {
  const book = new DeviceBook();
  assert.equal(book.receipt(true), undefined);
  book.open(facts('A'), kept());
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 0, hash: undefined, want: [] });
});

test('what will never come is covered, and the hash is of the newest event before it', () => {
  const book = new DeviceBook();
  book.open(facts('A'), kept([1, 5], [8, 10]));
  book.neverComes('A', 6, 7);
  book.neverComes('A', 11, 14);
  book.sawLast('A', 14);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 10, hash: 'hash-10', want: [] });
  assert.equal(book.complete, true);
});

test('an older epoch is completed first, through where its successor says that it went', () => {
  const book = new DeviceBook();
  book.open(facts('B'), kept([1, 3]));
  book.open(facts('A'), kept([1, 5]));
  book.follows(facts('B', 'A', 7));
  assert.deepEqual(book.epochs, ['A', 'B']);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [[6, 7]] });
  book.neverComes('A', 6, 7);
  assert.deepEqual(book.receipt(true), { epoch: 'B', through: 3, hash: 'hash-3', want: [] });
});

test('a ledger that begins later than the consumer is told, and does not wait for ever', () => {
  const book = new DeviceBook();
  book.open(facts('A'), kept([100, 110]));
  assert.deepEqual(book.lostBefore('A', 100), [[1, 99]]);
  book.neverComes('A', 1, 99);
  assert.equal(book.receipt(true)?.through, 110);
});

test('what is no event of its topic is unreadable', () => {
  const sound = { v: 1, device: 'pump-42', epoch: 'A1', seq: 1, prev: '' };
  const read = (change: object, device = 'pump-42'): string => {
    const result = readEvent(device, Buffer.from(JSON.stringify({ ...sound, ...change })));
    return result.kind === 'event' ? 'event' : result.reason;
  };
  assert.equal(read({}), 'event');
  assert.equal(read({ device: 'pump-43' }), 'is of another device than its topic');
  assert.equal(read({}, '../etc'), 'the topic names no device');
  for (const epoch of ['', '../x', 7, undefined]) assert.equal(read({ epoch }), 'has no epoch');
  for (const seq of [0, -1, 1.5, '1', 2e9, undefined]) assert.equal(read({ seq }), 'has no sequence');
  assert.equal(readEvent('pump-42', Buffer.from('{"a":1}\n')).kind, 'unreadable');
  assert.equal(readEvent('pump-42', Buffer.from('nonsense')).kind, 'unreadable');
  assert.equal(readEvent('pump-42', Buffer.from('null')).kind, 'unreadable');
});
