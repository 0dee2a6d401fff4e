/** Frames of Modbus RTU: known bytes, and what no stream may make of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerSearch, encodeRead, type ModbusRead } from '../../src/serial/modbus-adu.ts';
import { answerModbus, modbusServer } from '../../src/workbench/modbus-server.ts';
import { expectedHex, hexOf, unitsOf } from './modbus-rig.ts';

const anyRead: fc.Arbitrary<ModbusRead> = fc
  .record({
    unit: fc.integer({ min: 1, max: 247 }),
    fc: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
    count: fc.integer({ min: 1, max: 2000 }),
    at: fc.nat(65_535),
  })
  .map((read) => {
    const count = read.fc <= 2 ? read.count : 1 + (read.count % 125);
    return { ...read, count, at: Math.min(read.at, 65_536 - count) };
  });

function answerTo(read: ModbusRead): Buffer {
  const answer = answerModbus(unitsOf(read.unit), encodeRead(read));
  assert.ok(answer !== undefined);
  return answer;
}

/** Cuts bytes into chunks at these places. */
function* chunksOf(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (const [place, from] of places.entries()) yield bytes.subarray(from, places[place + 1] ?? from);
}

function searched(read: ModbusRead, bytes: Buffer, cuts: readonly number[] = []): AnswerSearch {
  const search = new AnswerSearch(read);
  for (const chunk of chunksOf(bytes, cuts)) search.take(chunk);
  return search;
}

test('the bytes are those of the books', () => {
  const read: ModbusRead = { unit: 0x11, fc: 3, at: 0x6b, count: 3 };
  assert.equal(encodeRead(read).toString('hex'), '1103006b00037687');
  const search = searched(read, Buffer.from('110306ae415652434049ad', 'hex'));
  assert.ok(search.found?.kind === 'answer');
  assert.equal(search.found.registers.toString('hex'), 'ae4156524340');
  assert.equal(search.found.frame.toString('hex'), '110306ae415652434049ad');
  assert.equal(search.discardedBytes, 0);
});

test('an exception is told by its code and its name', () => {
  const search = searched({ unit: 0x0a, fc: 1, at: 0x4a1, count: 1 }, Buffer.from('0a8102b053', 'hex'));
  assert.deepEqual(search.found, { kind: 'exception', code: 2, why: 'illegal data address' });
});

test('every answer is found, however it is cut, behind an echo and behind noise', () => {
  fc.assert(
    fc.property(
      anyRead,
      fc.boolean(),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 10 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (read, echoes, noise, rest, cuts) => {
        const before = Buffer.from(noise.filter((byte) => byte !== read.unit));
        const bytes = Buffer.concat([...(echoes ? [encodeRead(read)] : []), before, answerTo(read), Buffer.from(rest)]);
        const search = searched(read, bytes, cuts);
        assert.ok(search.found !== undefined);
        assert.equal(hexOf(search.found), expectedHex(read));
        assert.equal(search.discardedBytes, before.length + rest.length);
      },
    ),
    { numRuns: 2000 },
  );
});

test('an answer with any burst of wrong bits is refused', () => {
  fc.assert(
    fc.property(anyRead, fc.nat(), fc.integer({ min: 1, max: 0xffff }), (read, place, pattern) => {
      const answer = answerTo(read);
      const at = place % (answer.length - 1);
      answer.writeUInt16BE(answer.readUInt16BE(at) ^ pattern, at);
      const search = searched(read, answer);
      assert.equal(search.found, undefined);
      assert.equal(search.end().kind, 'garbled');
    }),
    { numRuns: 2000 },
  );
});

test('the answer to a read of another unit, function or size is no answer', () => {
  fc.assert(
    fc.property(anyRead, anyRead, (asked, other) => {
      const answer = answerTo(other);
      const own = answerTo(asked);
      fc.pre(answer[0] !== own[0] || answer[1] !== own[1] || answer[2] !== own[2]);
      const search = searched(asked, answer);
      assert.equal(search.found, undefined);
      assert.equal(search.discardedBytes, answer.length);
    }),
    { numRuns: 2000 },
  );
});

test('an echo alone is silence, also where the request has the look of its answer', () => {
  fc.assert(
    fc.property(anyRead, fc.array(fc.nat(), { maxLength: 8 }), (read, cuts) => {
      const like = { ...read, at: Math.min((answerTo(read)[2] ?? 0) << 8, 65_536 - read.count) };
      for (const each of [read, like]) {
        const search = searched(each, encodeRead(each), cuts);
        assert.equal(search.found, undefined);
        assert.deepEqual(search.end(), { kind: 'silent' });
      }
    }),
    { numRuns: 2000 },
  );
});

test('what is wrong with an answer is said', () => {
  const read: ModbusRead = { unit: 7, fc: 3, at: 10, count: 4 };
  const sound = answerTo(read);
  const wrong = Buffer.from(sound);
  wrong.writeUInt8(wrong.readUInt8(5) ^ 4, 5);
  const why = (bytes: Buffer): unknown => {
    const end = searched(read, bytes).end();
    return end.kind === 'garbled' ? end.why : end.kind;
  };
  assert.equal(why(Buffer.alloc(0)), 'silent');
  assert.equal(why(wrong), 'the CRC of the answer is wrong');
  assert.equal(why(sound.subarray(0, -1)), 'the answer is cut off');
  assert.equal(why(answerTo({ ...read, unit: 8 })), 'bytes that are no answer to this request');
});

test('noise without end takes no memory and is counted to the byte', () => {
  const read: ModbusRead = { unit: 7, fc: 3, at: 10, count: 125 };
  const search = new AnswerSearch(read);
  // The worst there is: each third byte begins what looks like an answer.
  const chunk = Buffer.alloc(3 * 4096, Buffer.from([7, 3, 250]));
  for (let round = 0; round < 20; round += 1) search.take(chunk);
  assert.equal(search.found, undefined);
  assert.equal(search.discardedBytes, 20 * chunk.length);
});

test('the virtual server refuses as the specification says, and hears only what is meant for it', () => {
  const unit = { holdingRegisters: (address: number) => (address < 10 ? address : undefined) };
  const units = new Map([[5, unit]]);
  const hex = (read: ModbusRead): string | undefined => answerModbus(units, encodeRead(read))?.toString('hex', 0, 3);
  assert.equal(hex({ unit: 5, fc: 3, at: 0, count: 10 }), '050314');
  assert.equal(hex({ unit: 5, fc: 4, at: 0, count: 1 }), '058401');
  assert.equal(hex({ unit: 5, fc: 3, at: 9, count: 2 }), '058302');
  assert.equal(hex({ unit: 5, fc: 3, at: 0, count: 126 }), '058303');
  assert.equal(hex({ unit: 5, fc: 3, at: 0, count: 0 }), '058303');
  assert.equal(hex({ unit: 6, fc: 3, at: 0, count: 1 }), undefined);
  const damaged = encodeRead({ unit: 5, fc: 3, at: 0, count: 1 });
  damaged.writeUInt8(2, 5);
  assert.equal(answerModbus(units, damaged), undefined);
});

test('the virtual server finds requests in noise and in any chunks', () => {
  fc.assert(
    fc.property(
      anyRead,
      fc.uint8Array({ maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (read, noise, cuts) => {
        const server = modbusServer(unitsOf(read.unit));
        const bytes = Buffer.concat([Buffer.from(noise), encodeRead(read)]);
        const answers = [...chunksOf(bytes, cuts)].map((chunk) => server(chunk));
        assert.equal(Buffer.concat(answers).toString('hex'), answerTo(read).toString('hex'));
      },
    ),
  );
});
