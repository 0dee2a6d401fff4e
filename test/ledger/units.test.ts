import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppendQueue } from '../../src/ledger/append-queue.ts';
import { crc32c } from '../../src/ledger/crc32c.ts';
import { BODY_BYTES_MAX, encodeFrame, FRAME_KIND, frameAt, frameBytes, scanFrames } from '../../src/ledger/frame.ts';
import { decodeIntervals, encodeIntervals } from '../../src/ledger/interval-code.ts';
import { IntervalList } from '../../src/ledger/interval-list.ts';
import { IntervalSet } from '../../src/ledger/intervals.ts';
import { decodeMarks, encodeMarks, type Marks } from '../../src/ledger/marks.ts';
import { Notes, readTailNote } from '../../src/ledger/notes.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  parseSegmentName,
  type SegmentHeader,
  segmentName,
} from '../../src/ledger/segment.ts';
import { PendingMarks } from '../../src/ledger/pending-marks.ts';
import { decodeSnapshot, encodeSnapshot } from '../../src/ledger/snapshot.ts';
import { Sources } from '../../src/ledger/sources.ts';
import { LedgerState, pendingCount, unsettledRanges } from '../../src/ledger/state.ts';
import { APPENDS_WAITING_MAX } from '../../src/limits.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { quietLog, sale, temporaryDirectory } from './rig.ts';

/** CRC-32C bit by bit, as RFC 3720 appendix B.4 defines it. */
function bitwiseCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('crc32c has its check value, agrees with the definition, and goes on from a part', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      assert.equal(crc32c(bytes), bitwiseCrc(bytes));
      const at = Math.min(cut, bytes.length);
      assert.equal(crc32c(bytes, at, bytes.length, crc32c(bytes, 0, at)), crc32c(bytes));
    }),
  );
});

test('an interval set is a set', () => {
  const range = fc.tuple(fc.constantFrom('add', 'delete', 'deleteRange'), fc.nat(60), fc.nat(8));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 120 }), (steps) => {
      const set = new IntervalSet();
      const model = new Set<number>();
      for (const [what, from, length] of steps) {
        if (what === 'add') {
          set.add(from, from + length);
          for (let value = from; value <= from + length; value += 1) model.add(value);
        } else if (what === 'deleteRange') {
          set.deleteRange(from, from + length);
          for (let value = from; value <= from + length; value += 1) model.delete(value);
        } else {
          set.delete(from);
          model.delete(from);
        }
      }
      assert.equal(set.size, model.size);
      for (let value = 0; value < 80; value += 1) {
        assert.equal(set.has(value), model.has(value));
        let absent = value;
        while (model.has(absent)) absent += 1;
        assert.equal(set.nextAbsent(value), absent);
        assert.equal(set.lastPresent(value), Math.max(0, ...[...model].filter((one) => one <= value)));
        assert.equal(
          set.covers(value, value + 3),
          [0, 1, 2, 3].every((more) => model.has(value + more)),
        );
      }
      for (let low = 0; low < 20; low += 1) {
        for (const high of [low - 1, low, low + 7, 79]) {
          const within = [...model].filter((value) => value >= low && value <= high);
          assert.equal(set.countWithin(low, high), within.length);
        }
      }
      const intervals = set.intervals();
      assert.equal(intervals.length, set.pieces);
      for (const [at, [from]] of intervals.entries()) {
        if (at > 0) assert.ok(from > (intervals[at - 1]?.[1] ?? 0) + 1, 'sorted, disjoint, not adjacent');
      }
      assert.deepEqual(new IntervalSet(intervals).intervals(), intervals);
    }),
  );
});

test('an interval list is a list, wherever it is changed', () => {
  const piece = fc.tuple(fc.nat(1000), fc.nat(1000));
  const step = fc.record({
    at: fc.nat(),
    removed: fc.nat(6),
    pieces: fc.array(piece, { maxLength: 6 }),
    push: fc.boolean(),
    clear: fc.integer({ min: 0, max: 60 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const list = new IntervalList();
      const model: (readonly [number, number])[] = [];
      for (const { at, removed, pieces, push, clear } of steps) {
        if (clear === 0) {
          list.clear();
          model.length = 0;
        } else if (push) {
          for (const [from, through] of pieces) list.push(from, through);
          model.push(...pieces);
        } else {
          const place = at % (model.length + 1);
          const gone = Math.min(removed, model.length - place);
          list.replace(place, gone, pieces);
          model.splice(place, gone, ...pieces);
        }
        assert.equal(list.length, model.length);
        for (const [index, [from, through]] of model.entries()) {
          assert.deepEqual([list.from(index), list.through(index)], [from, through]);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('events of a very fragmented ledger are reopened, and handed over again, without a long stand-still', () => {
  const state = new LedgerState();
  const life = state.startLife(1, '7QK3M2XA');
  const handed = 200_000;
  for (let at = 1; at <= handed; at += 1) life.handed.add(2 * at);
  life.last = 2 * handed;
  const start = performance.now();
  const ranges = unsettledRanges(life, []);
  assert.equal(ranges.length, handed);
  state.applyMarks([{ kind: 'reopened', code: 0, life: 1, ranges }]);
  assert.equal(life.handed.size, 0);
  assert.equal(life.reopened.pieces, handed);
  for (const range of ranges) state.applyMarks([{ kind: 'handed', code: 0, life: 1, ranges: [range] }]);
  assert.equal(life.reopened.size, 0);
  assert.equal(life.handed.pieces, handed);
  // It takes a second or two; minutes where each change moves all that lies behind it.
  assert.ok(performance.now() - start < 20_000, 'the event loop stood still for too long');
});

test('marks come back as they were written, long ranges in pieces', () => {
  const ranges = fc.array(fc.tuple(fc.nat(2 ** 31), fc.nat(200_000)), { minLength: 1, maxLength: 20 });
  const group = fc.record({
    kind: fc.constantFrom('released', 'handed', 'dead'),
    code: fc.nat(255),
    life: fc.nat(2 ** 31),
    ranges,
  });
  fc.assert(
    fc.property(fc.array(group, { maxLength: 5 }), (groups) => {
      const marks: Marks[] = groups.map(({ kind, ranges: pairs, ...rest }) => ({
        ...rest,
        kind,
        ranges: pairs.map(([from, length]) => [from, from + length] as const),
      }));
      const back = encodeMarks(marks).flatMap(decodeMarks);
      assert.deepEqual(
        back.map(({ kind, code, life }) => [kind, code, life]),
        marks.map(({ kind, code, life }) => [kind, code, life]),
      );
      for (const [at, { ranges: read }] of back.entries()) {
        assert.deepEqual(new IntervalSet(read).intervals(), new IntervalSet(marks[at]?.ranges).intervals());
      }
    }),
  );
});

test('so many marks that no frame would hold them come back from several, in order', () => {
  const ranges = Array.from({ length: 300_000 }, (_, at) => [2 * at, 2 * at] as const);
  const marks: Marks[] = [
    { kind: 'handed', code: 0, life: 1, ranges },
    { kind: 'reopened', code: 0, life: 1, ranges },
  ];
  const bodies = encodeMarks(marks);
  assert.ok(bodies.length > 2 && bodies.every((body) => body.length <= BODY_BYTES_MAX));
  const back = bodies.flatMap(decodeMarks);
  for (const { kind } of marks) {
    const read = back.filter((group) => group.kind === kind).flatMap((group) => group.ranges);
    assert.deepEqual(read, ranges);
  }
  assert.equal(back[0]?.kind, 'handed');
  assert.equal(back.at(-1)?.kind, 'reopened');
});

test('intervals come back from their short text, and a snapshot is the same state in either format', () => {
  const numbers = fc.uniqueArray(fc.maxSafeNat(), { maxLength: 60 });
  fc.assert(
    fc.property(numbers, fc.array(fc.nat(3), { minLength: 60, maxLength: 60 }), (starts, lengths) => {
      const set = new IntervalSet(starts.map((from, at) => [from, from + (lengths[at] ?? 0)] as const));
      assert.deepEqual(decodeIntervals(encodeIntervals(set.intervals())), set.intervals());
    }),
  );
  const state = new LedgerState();
  const life = state.startLife(1, '7QK3M2XA');
  life.last = 100_000;
  for (let seq = 1; seq <= 5000; seq += 5) {
    life.handed.add(seq);
    life.settled.add(seq);
    life.reopened.add(seq + 1);
    life.dead.set(seq + 2, seq % 2 === 0 ? 0x99 : 0x95);
  }
  life.released.add(7000);
  life.lost.add(1, 3);
  state.applySession({ generation: 3, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' });
  state.ends.set(4, 512);
  const listed = encodeSnapshot(state);
  assert.equal(listed.version, 1);
  assert.deepEqual(decodeSnapshot(listed.body), state);
  for (let seq = 6000; seq <= 50_000; seq += 3) life.handed.add(seq);
  const short = encodeSnapshot(state);
  assert.equal(short.version, 2);
  assert.ok(short.body.length < 6 * state.pieces, `${short.body.length} bytes for ${state.pieces} pieces`);
  assert.deepEqual(decodeSnapshot(short.body), state);
});

test('marks that a failed commit puts back lose nothing, and a given-up dead letter is not dead', () => {
  const pending = new PendingMarks();
  pending.release(1, 5);
  pending.bury(1, 7, 0x99);
  const taken = pending.take();
  assert.equal(pending.empty, true);
  pending.putBack(taken);
  assert.deepEqual(pending.take(), taken);
  pending.bury(1, 9, 0x99);
  pending.handOver(1, 8, 10);
  assert.deepEqual(
    pending.take().map(({ kind }) => kind),
    ['handed'],
  );
});

test('a dead letter that is lost counts once, whichever was known first, so the events beside it are still owed', () => {
  for (const first of ['dead', 'lost'] as const) {
    const state = new LedgerState();
    const life = state.startLife(1, 'AAAAAAAA');
    life.last = 2;
    const die = (): void => state.applyMarks([{ kind: 'dead', code: 0x99, life: 1, ranges: [[1, 1]] }]);
    if (first === 'dead') die();
    state.declareGap(life, 1, 1, 'damage');
    if (first === 'lost') die();
    assert.equal(pendingCount(life), 1, `${first} first`);
    state.startLife(2, 'BBBBBBBB');
    assert.equal(state.oldestOwed, life);
  }
});

test('a frame comes back as it was written, and under no other salt', () => {
  const body = fc.uint8Array({ maxLength: 500 });
  fc.assert(
    fc.property(body, fc.nat(), fc.nat(0xffff), fc.nat(Number.MAX_SAFE_INTEGER), (content, salt, commit, seq) => {
      const bytes = Buffer.alloc(frameBytes(content.length) + 16, 0xff);
      const end = encodeFrame(bytes, 8, salt, FRAME_KIND.event, commit, seq, [Buffer.from(content)]);
      const found = frameAt(bytes, 8, salt);
      assert.deepEqual(found, { end, frame: { kind: FRAME_KIND.event, commit, seq, body: Buffer.from(content) } });
      assert.equal(frameAt(bytes, 8, salt + 1), undefined);
    }),
  );
});

test('scanning any bytes never throws, covers them in order, and finds each sound frame', () => {
  const junk = fc.uint8Array({ maxLength: 64 }).map((bytes) => ({ kind: 'junk' as const, bytes }));
  const sound = fc.uint8Array({ maxLength: 64 }).map((bytes) => ({ kind: 'sound' as const, bytes }));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(junk, sound), { maxLength: 12 }),
      fc.oneof(fc.nat(100), fc.nat(20_000)),
      (parts, zeros) => {
        const pieces = parts.map(({ kind, bytes }) => {
          if (kind === 'junk') return Buffer.concat([Buffer.from([0xf7]), bytes, Buffer.alloc(7 - (bytes.length % 8))]);
          const frame = Buffer.alloc(frameBytes(bytes.length));
          encodeFrame(frame, 0, 77, FRAME_KIND.event, 1, 5, [Buffer.from(bytes)]);
          return frame;
        });
        const whole = Buffer.concat([...pieces, Buffer.alloc(zeros)]);
        let at = 0;
        let frames = 0;
        for (const scanned of scanFrames(whole, 0, 77)) {
          assert.equal(scanned.at, at);
          if (scanned.kind === 'end') {
            const used = whole.findLastIndex((byte) => byte !== 0) + 1;
            assert.deepEqual([scanned.lastUsed, scanned.clean], [Math.max(used, at), used <= at]);
            break;
          }
          if (scanned.kind === 'frame') frames += 1;
          assert.ok(scanned.end > at && scanned.end < whole.length + 8);
          at = scanned.end;
        }
        assert.equal(frames, parts.filter((part) => part.kind === 'sound').length);
      },
    ),
  );
});

test('scanning is linear: a segment with every body damaged takes no longer than its size', () => {
  const frame = Buffer.alloc(frameBytes(400));
  encodeFrame(frame, 0, 1, FRAME_KIND.event, 1, 1, [Buffer.alloc(400, 5)]);
  frame[100] = 6;
  const time = (count: number): number => {
    const bytes = Buffer.alloc(count * frame.length, frame);
    const from = process.hrtime.bigint();
    const [only] = scanFrames(bytes, 0, 1);
    assert.equal(only?.kind, 'end');
    return Number(process.hrtime.bigint() - from);
  };
  time(1000);
  const small = Math.min(...[1, 2, 3].map(() => time(1000)));
  const large = Math.min(...[1, 2, 3].map(() => time(10_000)));
  assert.ok(large < small * 40, `10 times the bytes took ${large / small} times as long`);
});

test('a segment header and its name say the same, and any flipped byte is noticed', () => {
  const header: SegmentHeader = {
    index: 42,
    life: 3,
    epoch: '7QK3M2XA',
    baseSeq: 2 ** 40,
    bytes: 4194304,
    reserve: true,
  };
  assert.deepEqual(decodeSegmentHeader(encodeSegmentHeader(header, 1)), { kind: 'sound', header });
  const { bytes: _bytes, reserve: _reserve, ...id } = header;
  assert.deepEqual(parseSegmentName(segmentName(header)), id);
  for (const name of ['spare', 'notes', '1-1-7QK3M2XA-1.seg', `${segmentName(header)}.tmp`]) {
    assert.equal(parseSegmentName(name), undefined);
  }
  for (let at = 0; at < 64; at += 1) {
    const bytes = encodeSegmentHeader(header, 2);
    bytes[at] = (bytes[at] as number) ^ 4;
    assert.equal(decodeSegmentHeader(bytes).kind, 'damaged', `byte ${at}`);
  }
});

test('notes survive a torn slot, and the newest sound one counts', async (t) => {
  const files = ledgerFiles(await temporaryDirectory(t));
  await files.lock();
  const notes = await Notes.open(files, quietLog());
  assert.equal(notes.sentThrough(1, 1), 0);
  for (const seq of [5, 6, 7]) {
    notes.noteSent(1, 1, seq);
    notes.noteTail({ life: 1, index: 2, end: seq * 100, seq });
  }
  await notes.close();
  assert.deepEqual(await readTailNote(files), { life: 1, index: 2, end: 700, seq: 7 });
  const again = await Notes.open(files, quietLog());
  assert.equal(again.sentThrough(1, 1), 7);
  assert.equal(again.sentThrough(2, 1), 0);
  await again.close();
  const raw = await files.openNote('notes');
  raw.write(Buffer.from([0xff]), 8);
  raw.write(Buffer.from([0xff]), 64 + 16);
  raw.close();
  const torn = await Notes.open(files, quietLog());
  assert.equal(torn.sentThrough(1, 1), 6);
  assert.deepEqual(await readTailNote(files), { life: 1, index: 2, end: 600, seq: 6 });
  await torn.close();
  await files.unlock();
});

test('the append queue is bounded, and a draft out of bounds is refused at once', async () => {
  const queue = new AppendQueue();
  const sources = new Sources();
  const moment = { timeMs: 0, uptimeMs: 0, clock: 'set' } as const;
  const waiting = Array.from({ length: APPENDS_WAITING_MAX + 1 }, (_, at) => queue.add(sale(at), sources, moment));
  const last = await waiting.at(-1);
  assert.equal(last?.kind === 'refused' ? last.code : '', 'ledger.busy');
  assert.equal(queue.length, APPENDS_WAITING_MAX);
  for (const wrong of [
    { ...sale(1), stream: 'a/b' },
    { ...sale(1), sensor: '' },
    { ...sale(1), source: { epoch: 'x'.repeat(65), seq: '1' } },
    { ...sale(1), source: { epoch: 'x', seq: '1.5' } },
    { ...sale(1), source: { epoch: 'x', seq: '9007199254740993' } },
    { ...sale(1), raw: Buffer.alloc(64 * 1024) },
  ]) {
    const result = await queue.add(wrong, sources, moment);
    assert.equal(result.kind === 'refused' ? result.code : '', 'event.invalid');
  }
});
