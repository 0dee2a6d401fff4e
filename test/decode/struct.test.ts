/** Binary frames: places, types and byte orders, against DataView and by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { STRUCT_TYPES, type StructField } from '../../src/sensor/config.ts';
import { structDecoder } from '../../src/sensor/decode-struct.ts';
import { structScalar } from '../../src/sensor/struct-number.ts';
import { plainDecimal } from '../../src/sensor/decimal.ts';
import { neverThrows, shown } from './decode-rig.ts';

function value(hex: string, field: StructField): string | undefined {
  return structScalar(Buffer.from(hex.replaceAll(' ', ''), 'hex'), field)?.text;
}

test('a frame of a dust sensor comes by its places', () => {
  const frame = Buffer.from('424d001c000500080009fffe0203', 'hex');
  const decoder = structDecoder({
    pm1: { at: 4, type: 'u16be' },
    pm10: { at: 8, type: 'u16be' },
    offset: { at: 10, type: 'i16be' },
    version: { at: -2, type: 'u8' },
    error: { at: -1, type: 'u8', bits: { from: 1, count: 1 } },
  });
  assert.deepEqual(shown(decoder, frame), {
    pm1: 'number 5',
    pm10: 'number 9',
    offset: 'number -2',
    version: 'number 2',
    error: 'number 1',
  });
});

test('each byte order puts 0x01020304 and its like in their place', () => {
  for (const [type, hex] of [
    ['u32be', '01 02 03 04'],
    ['u32le', '04 03 02 01'],
    ['u32cdab', '03 04 01 02'],
    ['u32badc', '02 01 04 03'],
  ] as const) {
    assert.equal(value(hex, { at: 0, type }), String(0x01020304), type);
  }
  assert.equal(value('0506 0304 0102 0000', { at: 0, type: 'u64cdab' }), String(0x010203040506));
  assert.equal(value('0000 4366', { at: 0, type: 'f32cdab' }), '230');
  assert.equal(value('6643 3333', { at: 0, type: 'f32badc' }), '230.2');
  assert.equal(value('0000 0000 0000 4059', { at: 0, type: 'f64cdab' }), '100');
});

test('whole numbers and doubles are those that DataView reads, in both byte orders', () => {
  const readers = [
    ['u8', 1, (view: DataView) => view.getUint8(0)],
    ['i8', 1, (view: DataView) => view.getInt8(0)],
    ['u16', 2, (view: DataView, little: boolean) => view.getUint16(0, little)],
    ['i16', 2, (view: DataView, little: boolean) => view.getInt16(0, little)],
    ['u32', 4, (view: DataView, little: boolean) => view.getUint32(0, little)],
    ['i32', 4, (view: DataView, little: boolean) => view.getInt32(0, little)],
    ['u64', 8, (view: DataView, little: boolean) => view.getBigUint64(0, little)],
    ['i64', 8, (view: DataView, little: boolean) => view.getBigInt64(0, little)],
    ['f64', 8, (view: DataView, little: boolean) => view.getFloat64(0, little)],
  ] as const;
  const bytes = fc.uint8Array({ minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(bytes, fc.constantFrom(...readers), fc.boolean(), (given, [name, length, read], little) => {
      const type = (length === 1 ? name : `${name}${little ? 'le' : 'be'}`) as StructField['type'];
      const taken = given.subarray(0, length);
      const wanted = read(new DataView(taken.buffer, taken.byteOffset, length), little);
      const found = structScalar(Buffer.from(taken), { at: 0, type })?.text;
      assert.equal(found, Number.isFinite(Number(wanted)) ? String(wanted) : undefined, type);
    }),
    { numRuns: 2000 },
  );
});

test('24-bit numbers and swapped words are the 32-bit ones, moved', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }), (number) => {
      const bytes = Buffer.alloc(3);
      bytes.writeIntBE(number, 0, 3);
      assert.equal(structScalar(bytes, { at: 0, type: 'i24be' })?.text, String(number));
      assert.equal(structScalar(bytes, { at: 0, type: 'u24be' })?.text, String(bytes.readUIntBE(0, 3)));
      assert.equal(structScalar(bytes.reverse(), { at: 0, type: 'i24le' })?.text, String(number));
      assert.equal(structScalar(bytes, { at: 0, type: 'u24le' })?.text, String(bytes.readUIntLE(0, 3)));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (given) => {
      const bytes = Buffer.from(given);
      const words = [0, 2, 4, 6].map((at) => bytes.subarray(at, at + 2));
      const turned = Buffer.concat(words.toReversed());
      const swapped = Buffer.from(bytes).swap16();
      for (const kind of ['u64', 'i64', 'f64'] as const) {
        const wanted = structScalar(bytes, { at: 0, type: `${kind}be` });
        assert.deepEqual(structScalar(turned, { at: 0, type: `${kind}cdab` }), wanted, kind);
      }
      for (const kind of ['u32', 'i32', 'f32'] as const) {
        const wanted = structScalar(bytes, { at: 0, type: `${kind}be` });
        assert.deepEqual(structScalar(turned.subarray(4), { at: 0, type: `${kind}cdab` }), wanted, kind);
        assert.deepEqual(structScalar(swapped, { at: 0, type: `${kind}badc` }), wanted, kind);
      }
    }),
    { numRuns: 500 },
  );
});

test('a 32-bit float is the text that was meant, and reads back as the same float', () => {
  const bytes = Buffer.alloc(4);
  const textOf = (number: number): string | undefined => {
    bytes.writeFloatBE(number);
    return structScalar(bytes, { at: 0, type: 'f32be' })?.text;
  };
  for (const text of ['230.2', '0.1', '-49.98', '5779.835', '0', '16777216', '1234.5']) {
    assert.equal(textOf(Number(text)), text);
  }
  assert.equal(textOf(-0), '0');
  assert.equal(plainDecimal(textOf(1e-7) ?? ''), '0.0000001');
  assert.equal(plainDecimal(textOf(1e21) ?? ''), '1000000000000000000000');
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (number) => {
      assert.equal(Math.fround(Number(textOf(number))), number === 0 ? 0 : number);
    }),
    { numRuns: 2000 },
  );
  // Up to seven digits any decimal within a float's range survives it.
  fc.assert(
    fc.property(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: 0, max: 6 }), (digits, decimals) => {
      const number = digits / 10 ** decimals;
      assert.equal(textOf(number), String(number === 0 ? 0 : number));
    }),
    { numRuns: 2000 },
  );
});

test('a float that is no number is absent, and the others stay', () => {
  const decoder = structDecoder({ a: { at: 0, type: 'f32be' }, b: { at: 4, type: 'u8' } });
  for (const hex of ['7fc00000', '7f800000', 'ff800000', 'ffffffff']) {
    assert.deepEqual(shown(decoder, Buffer.from(`${hex}07`, 'hex')), { b: 'number 7' }, hex);
  }
  assert.equal(value('7ff8000000000000', { at: 0, type: 'f64be' }), undefined);
});

test('bits are counted from the least significant, up to all 64', () => {
  const bits = (from: number, count: number) => ({ from, count });
  assert.equal(value('a5', { at: 0, type: 'u8', bits: bits(4, 4) }), '10');
  assert.equal(value('a5', { at: 0, type: 'u8', bits: bits(0, 1) }), '1');
  assert.equal(value('80 01', { at: 0, type: 'u16le', bits: bits(7, 2) }), '3');
  assert.equal(value('ff'.repeat(8), { at: 0, type: 'u64be', bits: bits(0, 64) }), '18446744073709551615');
  assert.equal(value('80'.padEnd(16, '0'), { at: 0, type: 'u64be', bits: bits(63, 1) }), '1');
});

test('BCD keeps its digits, a leading F is a minus, any other letter makes the frame invalid', () => {
  assert.equal(value('00 12 34', { at: 0, type: 'bcdbe', length: 3 }), '001234');
  assert.equal(value('34 12 00', { at: 0, type: 'bcdle', length: 3 }), '001234');
  assert.equal(value('45 23 f1', { at: 0, type: 'bcdle', length: 3 }), '-12345');
  assert.equal(value('f0 00', { at: 0, type: 'bcdbe', length: 2 }), '000');
  for (const hex of ['1a', '0f', 'ff', 'a1', 'e5']) {
    assert.equal(
      shown(structDecoder({ a: { at: 0, type: 'bcdbe', length: 1 } }), Buffer.from(hex, 'hex')),
      'not BCD digits',
    );
  }
});

test('text loses what fills it up at the end, and may hold no control character', () => {
  const decoder = structDecoder({ name: { at: 0, type: 'ascii', length: 8 }, id: { at: -2, type: 'hex', length: 2 } });
  assert.deepEqual(shown(decoder, ' AB 1\0 \0\u00fe\u0001'), { name: 'text  AB 1', id: 'string fe01' });
  assert.deepEqual(shown(decoder, `${'\0'.repeat(8)}\u0000\u0001`), { name: 'text ', id: 'string 0001' });
  assert.equal(shown(decoder, 'AB\u000712345\0\0'), 'not ASCII text');
  assert.equal(shown(decoder, 'AB\0C1234\0\0'), 'not ASCII text');
  assert.equal(shown(decoder, 'AB\u00b012345\0\0'), 'not ASCII text');
});

test('a value that does not fit into the frame makes it invalid, before its beginning or behind its end', () => {
  const fields: readonly StructField[] = [
    { at: 3, type: 'u16be' },
    { at: 4, type: 'u8' },
    { at: -5, type: 'u8' },
    { at: -1, type: 'u16le' },
    { at: 0, type: 'f64be' },
    { at: 2, type: 'hex', length: 3 },
  ];
  for (const field of fields) assert.equal(shown(structDecoder({ a: field }), '1234'), 'frame is too short');
  assert.equal(shown(structDecoder({ a: { at: 0, type: 'u8' } }), ''), 'frame is too short');
  assert.equal(value('01020304', { at: -4, type: 'u32be' }), String(0x01020304));
});

test('no bytes whatever make it throw, of any type', () => {
  for (const type of STRUCT_TYPES) {
    const length = /^(?:bcd|ascii|hex)/.test(type) ? { length: 5 } : {};
    neverThrows(
      structDecoder({ a: { at: 2, type, ...length }, b: { at: -8, type, ...length } }),
      Buffer.alloc(12, 0x31),
    );
  }
});
