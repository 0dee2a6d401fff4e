/**
 * Reads one value out of bytes by its type: what struct frames and Modbus registers have in common. Integers are exact
 * at any width. Floats come out rounded to as few digits as still tell them from every other float of their width:
 * "230.2", where the machine's own reading of a 32-bit float would say 230.1999969482422.
 */
import { STRUCT_TYPES, type StructField, type StructType } from './config.ts';
import type { Scalar } from './record.ts';

export type StructValue =
  | { readonly kind: 'value'; readonly scalar: Scalar }
  /** A float that is no number: the device has nothing to say there. */
  | { readonly kind: 'absent' }
  /** `reason` is one of few fixed texts. */
  | { readonly kind: 'invalid'; readonly reason: string };

type ByteOrder = 'be' | 'le' | 'cdab' | 'badc';

interface Layout {
  readonly kind: 'unsigned' | 'signed' | 'float' | 'bcd' | 'ascii' | 'hex';
  /** Undefined: the field says it, or the value goes to the end of the frame. */
  readonly length: number | undefined;
  readonly order: ByteOrder;
}

const NUMBERS = { u: 'unsigned', i: 'signed', f: 'float' } as const;
const LAYOUTS = Object.fromEntries(STRUCT_TYPES.map((type) => [type, layoutOf(type)])) as Record<StructType, Layout>;
const ABSENT: StructValue = { kind: 'absent' };
/** Nine significant digits tell any two 32-bit floats apart. */
const FLOAT32_DIGITS_MAX = 9;

/** The value; undefined where there is none: beyond the end, no digits, not a number. */
export function structScalar(bytes: Buffer, field: StructField): Scalar | undefined {
  const value = structValue(bytes, field);
  return value.kind === 'value' ? value.scalar : undefined;
}

export function structValue(bytes: Buffer, field: StructField): StructValue {
  const { kind, length: fixed, order } = LAYOUTS[field.type];
  const from = field.at < 0 ? bytes.length + field.at : field.at;
  const length = fixed ?? field.length ?? bytes.length - from;
  if (from < 0 || length < 1 || from + length > bytes.length) return refused('frame is too short');
  const taken = bigEndian(bytes.subarray(from, from + length), order);
  switch (kind) {
    case 'unsigned':
    case 'signed':
      return numeric(wholeText(taken, kind === 'signed', field.bits));
    case 'float':
      return floatValue(taken);
    case 'bcd':
      return bcdValue(taken.toString('hex'));
    case 'ascii':
      return asciiValue(taken);
    case 'hex':
      return { kind: 'value', scalar: { kind: 'string', text: taken.toString('hex') } };
  }
}

function layoutOf(type: StructType): Layout {
  const [, letter, bits, order = 'be'] = /^([uif])(\d+)(.*)$/.exec(type) ?? [];
  if (letter !== undefined) {
    return { kind: NUMBERS[letter as 'u'], length: Number(bits) / 8, order: (order || 'be') as ByteOrder };
  }
  if (type === 'ascii' || type === 'hex') return { kind: type, length: undefined, order: 'be' };
  return { kind: 'bcd', length: undefined, order: type === 'bcdle' ? 'le' : 'be' };
}

/** The bytes with the most significant first; a copy where they have to move. */
function bigEndian(bytes: Buffer, order: ByteOrder): Buffer {
  switch (order) {
    case 'be':
      return bytes;
    case 'le':
      return Buffer.from(bytes).reverse();
    case 'badc':
      return Buffer.from(bytes).swap16();
    case 'cdab':
      // All bytes turned round puts the words right and each word's bytes wrong.
      return Buffer.from(bytes).reverse().swap16();
  }
}

function wholeText(bytes: Buffer, signed: boolean, bits: StructField['bits']): string {
  const unsigned = BigInt(`0x${bytes.toString('hex')}`);
  if (bits !== undefined) return BigInt.asUintN(bits.count, unsigned >> BigInt(bits.from)).toString();
  return (signed ? BigInt.asIntN(bytes.length * 8, unsigned) : unsigned).toString();
}

function floatValue(bytes: Buffer): StructValue {
  const value = bytes.length === 4 ? bytes.readFloatBE() : bytes.readDoubleBE();
  if (!Number.isFinite(value)) return ABSENT;
  return numeric(bytes.length === 4 ? float32Text(value) : String(value));
}

function float32Text(value: number): string {
  for (let digits = 1; digits < FLOAT32_DIGITS_MAX; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return String(candidate);
  }
  return String(Number(value.toPrecision(FLOAT32_DIGITS_MAX)));
}

/** Digits as they stand, leading zeros and all: it may be a serial number. EN 13757-3 type A: a leading F means minus. */
function bcdValue(nibbles: string): StructValue {
  const negative = nibbles.startsWith('f');
  const digits = negative ? nibbles.slice(1) : nibbles;
  if (!/^\d+$/.test(digits)) return refused('not BCD digits');
  return numeric(negative && /[1-9]/.test(digits) ? `-${digits}` : digits);
}

/** Without the NULs and blanks that fill it up at the end. */
function asciiValue(bytes: Buffer): StructValue {
  const text = bytes.toString('latin1').replace(/[\0 ]+$/, '');
  if (!/^[ -~]*$/.test(text)) return refused('not ASCII text');
  return { kind: 'value', scalar: { kind: 'text', text } };
}

function numeric(text: string): StructValue {
  return { kind: 'value', scalar: { kind: 'number', text } };
}

function refused(reason: string): StructValue {
  return { kind: 'invalid', reason };
}
