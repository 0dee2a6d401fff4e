/** What a consumer knows and says: gaps, epochs that follow each other, losses, and receipts that never claim too much. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeviceBook } from '../../src/collect/book.ts';
import { type DeviceWord, readWord } from '../../src/collect/device-word.ts';
import type { EpochRecord, Kept } from '../../src/collect/epoch-book.ts';
import { readEvent } from '../../src/collect/event-text.ts';
import { type Interval, IntervalSet } from '../../src/ledger/intervals.ts';

function kept(...ranges: Interval[]): Kept {
  const had = new IntervalSet(ranges);
  return { had, hashAt: (seq) => (had.has(seq) ? `hash-${seq}` : undefined) };
}

const record = (epoch: string, change: Partial<EpochRecord> = {}): EpochRecord => ({
  epoch,
  oldEpoch: '',
  oldLast: 0,
  ...change,
});

/** The live epoch stands last. */
const says = (...keeps: (readonly [epoch: string, first: number, last: number])[]): DeviceWord => ({
  keeps: keeps.map(([epoch, first, last]) => ({ epoch, first, last })),
  whole: true,
});

/** What a receipt asks for was sent. */
function ask(book: DeviceBook): void {
  const { epoch, want } = book.receipt(true) ?? { epoch: '', want: [] };
  book.asked(epoch, want);
}

test('a receipt covers what came without a gap, and asks for the rest', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 12 }), kept([1, 5], [8, 10]));
  const want = [
    [6, 7],
    [11, 12],
  ];
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want });
  assert.deepEqual(book.receipt(false)?.want, []);
  book.came('A', 6);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [[7, 7], want[1]] });
  assert.equal(book.complete, false);
});

test('nothing had is nothing claimed', () => {
  const book = new DeviceBook();
  assert.equal(book.receipt(true), undefined);
  book.open(record('A'), kept());
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 0, hash: undefined, want: [] });
});

test('what will never come is covered, and the hash is of the newest event before it', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 14 }), kept([1, 5], [8, 10]));
  assert.equal(book.neverComes('A', 6, 7), true);
  assert.equal(book.neverComes('A', 6, 7), false, 'no news');
  book.neverComes('A', 11, 14);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 10, hash: 'hash-10', want: [] });
  assert.equal(book.complete, true);
});

test('a gap of a billion sequences is as quick to step over as one of two', () => {
  const book = new DeviceBook();
  book.open(record('A'), kept([1, 5]));
  book.neverComes('A', 6, 1_000_000_000);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [] });
});

test('an older epoch is completed first, through where its successor says that it went', () => {
  const book = new DeviceBook();
  book.open(record('B'), kept([1, 3]));
  book.open(record('A'), kept([1, 5]));
  book.follows('B', 'A', 7);
  assert.deepEqual(book.epochs, ['A', 'B']);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [[6, 7]] });
  book.neverComes('A', 6, 7);
  assert.deepEqual(book.receipt(true), { epoch: 'B', through: 3, hash: 'hash-3', want: [] });
});

test('an older epoch that the device keeps is waited for, however often it is asked and heard', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 9 }), kept([1, 5]));
  book.open(record('B'), kept([1, 3]));
  for (let round = 0; round < 100; round += 1) {
    ask(book);
    assert.deepEqual(book.hear(says(['A', 1, 9], ['B', 1, 3]), true), { lost: [], changed: false });
    assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [[6, 9]] });
  }
  // A device of another version does not say what it keeps of older epochs.
  const { lost } = book.hear({ keeps: [{ epoch: 'B', first: 1, last: 3 }], whole: false }, true);
  assert.deepEqual([lost, book.receipt(false)?.epoch], [[], 'A']);
});

test('what was asked for, and is on the device no more by what it says now, is lost and does not hold up the rest', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 9 }), kept([1, 5]));
  book.open(record('B'), kept([1, 3]));
  const gone = says(['B', 1, 3]);
  assert.deepEqual(book.hear(gone, true).lost, [], 'it was never asked for');
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 5, hash: 'hash-5', want: [[6, 9]] });
  ask(book);
  assert.deepEqual(book.hear(gone, false).lost, [], 'a word that the broker kept may be an old one');
  assert.deepEqual(book.hear(gone, true), { lost: [{ epoch: 'A', ranges: [[6, 9]] }], changed: true });
  assert.deepEqual(book.hear(gone, true), { lost: [], changed: false }, 'told once');
  assert.deepEqual(book.receipt(true), { epoch: 'B', through: 3, hash: 'hash-3', want: [] });
  assert.deepEqual([book.done, book.complete, book.lostEvents, book.lost('A')], [true, false, 4, [[6, 9]]]);
  // As after a restart.
  const again = new DeviceBook();
  for (const one of book.records) again.open(one, one.epoch === 'A' ? kept([1, 5]) : kept([1, 3]));
  assert.deepEqual([again.lostEvents, again.receipt(true)?.epoch, again.epochs], [4, 'B', ['A', 'B']]);
});

test('a ledger that begins later than the consumer is a loss below its first event, and only that', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 110 }), kept([100, 103], [106, 110]));
  ask(book);
  assert.deepEqual(book.hear(says(['A', 100, 110]), true).lost, [{ epoch: 'A', ranges: [[1, 99]] }]);
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 103, hash: 'hash-103', want: [[104, 105]] });
});

test('an old copy of a ledger that was put back does not keep what lies behind its end', () => {
  const book = new DeviceBook();
  book.open(record('A', { last: 100 }), kept([1, 40], [61, 90]));
  ask(book);
  assert.deepEqual(book.hear(says(['A', 1, 50]), true).lost, [], 'the live epoch may have grown since');
  // By the receipt the device has noticed it.
  book.open(record('B', { oldEpoch: 'A', oldLast: 50 }), kept([1, 2]));
  const forked = says(['A', 1, 50], ['B', 1, 2]);
  const lost: Interval[] = [
    [51, 60],
    [91, 100],
  ];
  assert.deepEqual(book.hear(forked, true), { lost: [{ epoch: 'A', ranges: lost }], changed: true });
  assert.deepEqual(book.hear(forked, true), { lost: [], changed: false });
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 40, hash: 'hash-40', want: [[41, 50]] });
});

test('what is lost and comes after all is not lost', () => {
  const book = new DeviceBook();
  const events = kept([4, 5]);
  book.open(record('A', { lost: [[1, 3]] }), events);
  book.came('A', 2);
  assert.deepEqual(
    [book.lost('A'), book.lostEvents],
    [
      [
        [1, 1],
        [3, 3],
      ],
      2,
    ],
  );
});

test('a card that comes back has what was thought to be lost, and no receipt claims it any more', () => {
  const book = new DeviceBook();
  book.open(record('A', { lost: [[3, 4]] }), kept([1, 2], [5, 6]));
  book.open(record('B', { oldEpoch: 'A', oldLast: 6 }), kept([1, 1]));
  assert.equal(book.receipt(false)?.epoch, 'B');
  assert.deepEqual(book.hear(says(['A', 1, 6]), false), { lost: [], changed: true });
  assert.deepEqual(book.receipt(true), { epoch: 'A', through: 2, hash: 'hash-2', want: [[3, 4]] });
  assert.deepEqual(book.hear(says(['A', 5, 6]), true).lost, [], 'it has to be asked for anew');
  ask(book);
  assert.equal(book.hear(says(['A', 5, 6]), true).lost.length, 1);
  assert.equal(book.receipt(true)?.epoch, 'A', 'not the one that came after, of which nothing is kept now');
});

test('an epoch that the device no longer keeps gets no receipt, whatever it is named', () => {
  const book = new DeviceBook();
  book.open(record('NEW'), kept([1, 2]));
  book.open(record('OLD'), kept([1, 90]));
  assert.equal(book.receipt(false)?.epoch, 'OLD', 'as long as nobody says which is which');
  book.hear(says(['NEW', 1, 2]), false);
  assert.equal(book.receipt(false)?.epoch, 'NEW');
  book.came('NEXT', 1);
  book.open(record('NEXT', { oldEpoch: 'NEW', oldLast: 2 }), kept([1, 1]));
  assert.equal(book.receipt(false)?.epoch, 'NEXT', 'one that began after the word');
});

test('epochs that name each other are each in the order once', () => {
  const book = new DeviceBook();
  book.open(record('A', { oldEpoch: 'B' }), kept());
  book.open(record('B', { oldEpoch: 'C' }), kept());
  book.open(record('C', { oldEpoch: 'A' }), kept());
  book.open(record('D', { oldEpoch: 'D' }), kept());
  assert.deepEqual([...book.epochs].sort(), ['A', 'B', 'C', 'D']);
});

test('a receipt never claims an event that is neither had nor named as never coming nor told as lost', () => {
  const small = fc.integer({ min: 1, max: 20 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('gap' as const), from: small, more: fc.nat(4) }),
    fc.record({ kind: fc.constant('ask' as const) }),
    fc.record({ kind: fc.constant('hear' as const), first: small, fresh: fc.boolean(), whole: fc.boolean() }),
    fc.record({ kind: fc.constant('event' as const), seq: small }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const book = new DeviceBook();
      const events = kept();
      book.open(record('A', { last: 20 }), events);
      const known = new Set<number>();
      for (const one of steps) {
        if (one.kind === 'gap') {
          book.neverComes('A', one.from, one.from + one.more);
          for (let seq = one.from; seq <= one.from + one.more; seq += 1) known.add(seq);
        } else if (one.kind === 'ask') ask(book);
        else if (one.kind === 'event') {
          book.came('A', one.seq);
          events.had.add(one.seq);
          known.add(one.seq);
        } else book.hear({ keeps: [{ epoch: 'A', first: one.first, last: 20 }], whole: one.whole }, one.fresh);
        const lost = new IntervalSet(book.lost('A'));
        const { through = 0, hash } = book.receipt(false) ?? {};
        for (let seq = 1; seq <= book.through('A'); seq += 1) assert.ok(known.has(seq) || lost.has(seq), `${seq}`);
        assert.equal(hash, through === 0 ? undefined : `hash-${through}`);
        const missing = new IntervalSet(book.missing('A'));
        for (let seq = 1; seq <= 20; seq += 1)
          assert.equal(missing.has(seq), !known.has(seq) && !lost.has(seq), `missing ${seq}`);
      }
    }),
  );
});

test('the word of a device is taken only when all of its numbers are ones of a ledger', () => {
  const read = (ledger: unknown): DeviceWord | undefined => readWord(Buffer.from(JSON.stringify({ ledger })));
  const live = { epoch: 'B', first: 1, last: 3 };
  const older = { epoch: 'A', first: 2, last: 9 };
  assert.deepEqual(read({ ...live, unsent: 0, older: [older] }), { keeps: [older, live], whole: true });
  assert.deepEqual(read(live), { keeps: [live], whole: false });
  assert.equal(read({ ...live, older: Array.from({ length: 15 }, () => older) })?.whole, true);
  assert.equal(read({ ...live, older: Array.from({ length: 16 }, () => older) })?.whole, false);
  assert.deepEqual(read({ ...live, older: 7 }), { keeps: [live], whole: false });
  for (const bad of [Number.MAX_SAFE_INTEGER, 1e9 + 1, -1, 1.5, '1', null, undefined]) {
    assert.equal(read({ ...live, first: bad }), undefined, String(bad));
    assert.equal(read({ ...live, last: bad }), undefined, String(bad));
    assert.equal(read({ ...live, older: [{ ...older, first: bad }] }), undefined, String(bad));
  }
  for (const nothing of [undefined, null, 7, [], { ...live, epoch: '../x' }]) assert.equal(read(nothing), undefined);
  assert.equal(readWord(Buffer.from('nonsense')), undefined);
  assert.equal(readWord(Buffer.from('null')), undefined);
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
