/** Fields of binary frames and of Modbus registers: where they stand, and how their bytes become a number or a text. */
import * as v from 'valibot';
import { choice, fieldName, section, wholeNumber } from './elements.ts';

/** As in `src/sensor/config.ts`; a test holds the two together. */
export const NUMBER_TYPES = [
  ...(['u8', 'i8', 'u16be', 'u16le', 'i16be', 'i16le', 'u24be', 'u24le', 'i24be', 'i24le'] as const),
  ...(['u32be', 'u32le', 'u32cdab', 'u32badc', 'i32be', 'i32le', 'i32cdab', 'i32badc'] as const),
  ...(['u64be', 'u64le', 'u64cdab', 'i64be', 'i64le', 'i64cdab'] as const),
  ...(['f32be', 'f32le', 'f32cdab', 'f32badc', 'f64be', 'f64le', 'f64cdab'] as const),
  ...(['bcdbe', 'bcdle', 'ascii', 'hex'] as const),
] as const;

const FIELDS_EXPECTED = 'an object with 1 to 64 fields';
const LENGTH_EXPECTED = 'left out: only bcdbe, bcdle, ascii and hex have a length, and they need one';
const BITS_EXPECTED = 'bits within an unsigned number';

const bits = section('Only these bits of an unsigned number.', {
  from: wholeNumber('The lowest, counted from the least significant.', 0, 63),
  count: v.optional(wholeNumber('How many.', 1, 64), 1),
});

/** What struct and Modbus fields have beside their place. */
export const structValue = {
  length: v.exactOptional(wholeNumber('Bytes of bcd, ascii and hex.', 1, 256)),
  bits: v.exactOptional(bits),
};

interface StructLike {
  readonly type: string;
  readonly length?: number | undefined;
  readonly bits?: { readonly from: number; readonly count: number } | undefined;
}

export function hasRightLength({ type, length }: StructLike): boolean {
  return /^(?:bcd|ascii|hex)/.test(type) === (length !== undefined);
}

export function hasRightBits({ type, bits: wanted }: StructLike): boolean {
  if (wanted === undefined) return true;
  const width = Number(/^u(\d+)/.exec(type)?.[1] ?? 0);
  return wanted.from + wanted.count <= width;
}

export const structField = v.pipe(
  section('A value at a fixed place.', {
    at: wholeNumber('First byte, from 0; negative: from the end.', -16_384, 16_383),
    type: choice('Type and byte order; cdab: words swapped, badc: bytes of each word swapped.', NUMBER_TYPES),
    ...structValue,
  }),
  v.forward(v.partialCheck([['type'], ['length']], hasRightLength, LENGTH_EXPECTED), ['length']),
  v.forward(v.partialCheck([['type'], ['bits']], hasRightBits, BITS_EXPECTED), ['bits']),
);

export { BITS_EXPECTED, LENGTH_EXPECTED };

export function structFields<const Field extends v.GenericSchema>(field: Field) {
  return v.pipe(
    v.record(fieldName, field, FIELDS_EXPECTED),
    v.minEntries(1, FIELDS_EXPECTED),
    v.maxEntries(64, FIELDS_EXPECTED),
    v.description('The fields by name. 1 to 64.'),
  );
}
