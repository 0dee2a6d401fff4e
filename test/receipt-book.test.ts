/** What a consumer says in its receipts: through where, what it misses and when it asks, and with which epoch it stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReceivedEvent } from '../src/workbench/deliveries.ts';
import { ReceiptBook } from '../src/workbench/receipt-book.ts';

interface Said {
  readonly epoch: string;
  readonly through: number;
  readonly hash?: string;
  readonly want?: readonly (readonly [number, number])[];
  readonly asked?: number;
}

function event(
  epoch: string,
  seq: number,
  type = 'delivery',
  data: Readonly<Record<string, string>> = {},
): ReceivedEvent {
  const values = Object.entries(data).map(([name, value]) => [name, { value }] as const);
  const stream = type === 'delivery' ? 'sale' : 'agent';
  return { device: 'pump-42', epoch, seq, sensor: 'pump', stream, type, data: Object.fromEntries(values) };
}

function put(book: ReceiptBook, nowMs: number, ...events: readonly ReceivedEvent[]): void {
  for (const one of events) book.take(one, `${one.epoch}#${one.seq}`, nowMs);
}

function say(book: ReceiptBook, nowMs: number): Said | undefined {
  const said = book.next(nowMs);
  return said === undefined ? undefined : (JSON.parse(said) as Said);
}

test('a receipt is cumulative, names the hash of its last event, and is said once, and again after a new connection', () => {
  const book = new ReceiptBook();
  assert.equal(say(book, 0), undefined);
  put(book, 0, event('E1', 1), event('E1', 2), event('E1', 3));
  assert.deepEqual(say(book, 0), { epoch: 'E1', through: 3, hash: 'E1#3' });
  assert.equal(say(book, 10), undefined);
  book.connected();
  assert.deepEqual(say(book, 20), { epoch: 'E1', through: 3, hash: 'E1#3' });
});

test('a hole is asked for when it is older than a second, again when nothing comes, and not while it comes', () => {
  const book = new ReceiptBook();
  put(book, 0, event('E1', 1), event('E1', 4), event('E1', 7));
  assert.deepEqual(say(book, 500), { epoch: 'E1', through: 1, hash: 'E1#1' });
  const want = [
    [2, 3],
    [5, 6],
  ];
  assert.deepEqual(say(book, 1100), { epoch: 'E1', through: 1, hash: 'E1#1', want, asked: 1 });
  put(book, 1200, event('E1', 8));
  assert.equal(say(book, 3000), undefined);
  assert.deepEqual(say(book, 5200)?.want, want);
  put(book, 6000, event('E1', 2), event('E1', 3));
  assert.deepEqual(say(book, 9500), { epoch: 'E1', through: 4, hash: 'E1#4' });
  assert.deepEqual(say(book, 10_100), { epoch: 'E1', through: 4, hash: 'E1#4', want: [[5, 6]], asked: 3 });
});

test('what the status says to be there and did not come is asked for once nothing comes any more', () => {
  const book = new ReceiptBook();
  put(book, 0, event('E1', 1));
  book.status('E1', 5, 100);
  assert.equal(say(book, 600)?.want, undefined);
  assert.deepEqual(say(book, 1200)?.want, [[2, 5]]);
});

test('a gap that the ledger names is covered, and the receipt names the newest event before it', () => {
  const book = new ReceiptBook();
  put(book, 0, event('E1', 1));
  put(book, 0, event('E1', 4, 'ledger.gap', { epoch: 'E1', from: '2', through: '3', why: 'torn' }));
  assert.deepEqual(say(book, 0), { epoch: 'E1', through: 4, hash: 'E1#4' });
  put(book, 0, event('E1', 7), event('E1', 8, 'ledger.gap', { epoch: 'E1', from: '5', through: '5', why: 'torn' }));
  assert.deepEqual(say(book, 5000)?.want, [[6, 6]]);
  assert.equal(say(book, 5000)?.through, undefined);
});

test('it stays with an old epoch until that is complete, then goes on with the new one', () => {
  const book = new ReceiptBook();
  put(book, 0, event('E1', 1), event('E1', 2));
  const names = { epoch: 'E2', old_epoch: 'E1', old_last: '3' };
  put(book, 10, event('E2', 1, 'ledger.epoch', names), event('E2', 2));
  assert.deepEqual(say(book, 100), { epoch: 'E1', through: 2, hash: 'E1#2' });
  assert.deepEqual(say(book, 2000)?.want, [[3, 3]]);
  put(book, 2100, event('E1', 3));
  assert.deepEqual(say(book, 2200), { epoch: 'E2', through: 2, hash: 'E2#2' });
});

test('an epoch of which nothing has come is asked for from its first event', () => {
  const book = new ReceiptBook();
  book.status('E2', 4, 0);
  assert.equal(say(book, 500), undefined);
  assert.deepEqual(say(book, 1500), { epoch: 'E2', through: 0, want: [[1, 4]], asked: 1 });
});

test('it goes back to an epoch that the device says it is in: there the device sees that it is an old copy', () => {
  const book = new ReceiptBook();
  put(book, 0, event('E1', 1), event('E1', 2));
  put(book, 0, event('E2', 1, 'ledger.epoch', { epoch: 'E2', old_epoch: 'E1', old_last: '2' }));
  assert.equal(say(book, 0)?.epoch, 'E2');
  book.status('E1', 1, 100);
  assert.deepEqual(say(book, 200), { epoch: 'E1', through: 2, hash: 'E1#2' });
});
