/**
 * The part of CBOR (RFC 8949) that a SenML pack is made of: integers, floats, text, booleans, arrays, and maps by number.
 * Lengths are definite, and each number takes the least bytes that hold it exactly; floats begin at 32 bits.
 */
export type CborValue = number | string | boolean | readonly CborValue[] | ReadonlyMap<number, CborValue>;

/** Major types (RFC 8949, 3.1). */
const UNSIGNED = 0;
const NEGATIVE = 1;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const FLOAT32 = 0xfa;
const FLOAT64 = 0xfb;

export function encodeCbor(value: CborValue): Buffer {
  if (typeof value === 'boolean') return Buffer.from([value ? TRUE : FALSE]);
  if (typeof value === 'number') return encodeNumber(value);
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([head(TEXT, bytes.length), bytes]);
  }
  if (isMap(value)) {
    const members = [...value].flatMap(([key, member]) => [encodeNumber(key), encodeCbor(member)]);
    return Buffer.concat([head(MAP, value.size), ...members]);
  }
  return Buffer.concat([head(ARRAY, value.length), ...value.map(encodeCbor)]);
}

function isMap(value: CborValue): value is ReadonlyMap<number, CborValue> {
  return value instanceof Map;
}

function encodeNumber(value: number): Buffer {
  // Minus zero is no integer of CBOR: a float keeps it.
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    return value >= 0 ? head(UNSIGNED, value) : head(NEGATIVE, -1 - value);
  }
  const isSingle = Object.is(Math.fround(value), value);
  const bytes = Buffer.alloc(isSingle ? 5 : 9);
  bytes[0] = isSingle ? FLOAT32 : FLOAT64;
  if (isSingle) bytes.writeFloatBE(value, 1);
  else bytes.writeDoubleBE(value, 1);
  return bytes;
}

/** The major type in the first three bits, then the argument in the least bytes (RFC 8949, 3). */
function head(major: number, argument: number): Buffer {
  const top = major << 5;
  if (argument < 24) return Buffer.from([top | argument]);
  if (argument < 0x100) return Buffer.from([top | 24, argument]);
  if (argument < 0x1_0000) return Buffer.from([top | 25, argument >> 8, argument & 0xff]);
  const isLong = argument >= 0x1_0000_0000;
  const bytes = Buffer.alloc(isLong ? 9 : 5);
  bytes[0] = top | (isLong ? 27 : 26);
  if (isLong) bytes.writeBigUInt64BE(BigInt(argument), 1);
  else bytes.writeUInt32BE(argument, 1);
  return bytes;
}
