/** Writes SML files for tests, from the specification and not from the decoder: elements, messages, lists of values. */
import { crc16X25 } from '../../src/sensor/crc16-x25.ts';

export interface Entry {
  readonly name: Buffer;
  readonly status?: Buffer | undefined;
  readonly unit?: number | undefined;
  readonly scaler?: number | undefined;
  /** An element. */
  readonly value: Buffer;
}

/** An optional element that is not there. */
export const ABSENT = Buffer.from([0x01]);
const END = Buffer.from([0x00]);

/** `spare`: bytes of length more than needed. */
function head(type: number, length: number, spare = 0): Buffer {
  const nibbles = Array.from(length.toString(16), (digit) => Number.parseInt(digit, 16));
  const padded = [...Array.from({ length: spare }, () => 0), ...nibbles];
  return Buffer.from(
    padded.map((nibble, index) => {
      const more = index < padded.length - 1 ? 0x80 : 0;
      return more | (index === 0 ? type << 4 : 0) | nibble;
    }),
  );
}

/** Of elements whose length counts the type and length too. */
function sized(type: number, value: Buffer): Buffer {
  let bytes = 1;
  while ((value.length + bytes).toString(16).length > bytes) bytes += 1;
  return Buffer.concat([head(type, value.length + bytes), value]);
}

export function octets(value: Buffer): Buffer {
  return sized(0, value);
}

export function boolean(value: boolean): Buffer {
  return sized(4, Buffer.from([value ? 1 : 0]));
}

/** In this many bytes; as few as hold it where none are given. */
export function integer(value: bigint, bytes = widthOf(value, true)): Buffer {
  return sized(5, wide(value, bytes));
}

export function unsigned(value: bigint, bytes = widthOf(value, false)): Buffer {
  return sized(6, wide(value, bytes));
}

export function list(elements: readonly Buffer[], spare = 0): Buffer {
  return Buffer.concat([head(7, elements.length, spare), ...elements]);
}

function wide(value: bigint, bytes: number): Buffer {
  return Buffer.from(
    BigInt.asUintN(bytes * 8, value)
      .toString(16)
      .padStart(bytes * 2, '0'),
    'hex',
  );
}

function widthOf(value: bigint, signed: boolean): number {
  let bytes = 1;
  while ((signed ? BigInt.asIntN(bytes * 8, value) : BigInt.asUintN(bytes * 8, value)) !== value) bytes += 1;
  return bytes;
}

export function entry({ name, status = ABSENT, unit, scaler, value }: Entry): Buffer {
  return list([
    octets(name),
    status,
    ABSENT,
    unit === undefined ? ABSENT : unsigned(BigInt(unit)),
    scaler === undefined ? ABSENT : integer(BigInt(scaler)),
    value,
    ABSENT,
  ]);
}

/** Body of a GetList response. */
export function values(server: Buffer, entries: readonly Buffer[]): Buffer {
  const time = list([unsigned(1n, 1), unsigned(123_456n, 4)]);
  return list([unsigned(0x0701n, 2), list([ABSENT, octets(server), ABSENT, time, list(entries), ABSENT, ABSENT])]);
}

export function openResponse(server: Buffer): Buffer {
  const body = list([ABSENT, ABSENT, octets(Buffer.from('f1')), octets(server), ABSENT, ABSENT]);
  return list([unsigned(0x0101n, 2), body]);
}

export function closeResponse(): Buffer {
  return list([unsigned(0x0201n, 2), list([ABSENT])]);
}

/** `crc`: in place of the right one. */
export function message(body: Buffer, crc?: Buffer): Buffer {
  const whole = list([octets(Buffer.from('t1')), unsigned(0n, 1), unsigned(0n, 1), body, ABSENT, END]);
  const covered = whole.subarray(0, whole.length - ABSENT.length - END.length);
  return Buffer.concat([covered, crc ?? rightCrc(covered), END]);
}

/** Low byte first, as an unsigned number of two bytes. */
function rightCrc(covered: Buffer): Buffer {
  const crc = crc16X25(covered);
  return Buffer.from([0x63, crc & 0xff, crc >> 8]);
}

/** With the fill bytes that bring it to a multiple of four, as the transport sends it. */
export function file(bodies: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(bodies.map((body) => message(body)));
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
