/** `sensors[].framing` and `sensors[].check`: how the byte stream is cut into frames, and how a frame proves itself whole. */
import * as v from 'valibot';
import { bytesOfText } from '../bytes-text.ts';
import { bytesText, choice, duration, oneOfText, section, wholeNumber } from './elements.ts';

/** Presets of CRCs by their names in the catalogue; `src/serial/crc.ts` knows them, and a test holds the two together. */
export const CRC_NAMES = [
  'crc-8',
  'crc-8-maxim',
  'crc-16-arc',
  'crc-16-modbus',
  'crc-16-x25',
  'crc-16-ccitt-false',
  'crc-16-xmodem',
  'crc-16-kermit',
  'crc-16-usb',
  'crc-16-dnp',
  'crc-32',
  'crc-32-c',
  'crc-32-mpeg2',
  'arc',
  'modbus',
  'x-25',
  'ccitt-false',
  'xmodem',
  'kermit',
] as const;

const FRAMINGS = ['line', 'between', 'length', 'fixed', 'gap', 'slip', 'sml'] as const;
const CHECKS = ['none', 'xor8', 'sum8', 'sum16', 'lrc', 'crc'] as const;
const COVERED_EXPECTED = 'an object whose check covers something: to, or else at, behind from';
const HEX_EXPECTED = 'hexadecimal digits without 0x';
const FRAME_BYTES_MAX = 16_384;

/** `max` of each framing that has one, where the file says nothing. */
export const MAX_DEFAULTS = { line: 1024, between: 4096, length: 1024, gap: 1024, slip: 1024, sml: 4096 } as const;

const max = (framing: keyof typeof MAX_DEFAULTS) =>
  v.optional(
    wholeNumber('Bytes of a frame at most. What is longer is discarded and counted.', 16, FRAME_BYTES_MAX),
    MAX_DEFAULTS[framing],
  );

const line = section('Frames end with a delimiter.', {
  type: v.literal('line'),
  delimiter: v.optional(
    bytesText('Ends a frame and is not part of it. With "\\n" a "\\r" before it is dropped too.', 8),
    '\n',
  ),
  max: max('line'),
});

const between = section('Frames stand between a start and an end mark, which are part of them.', {
  type: v.literal('between'),
  start: bytesText('Begins a frame.', 8),
  end: bytesText('Ends a frame, but for the trailer.', 8),
  trailer: v.optional(wholeNumber('Bytes after the end mark that belong to the frame, such as a checksum.', 0, 16), 0),
  max: max('between'),
});

const length = v.pipe(
  section('Frames say their own length.', {
    type: v.literal('length'),
    sync: bytesText('Begins a frame.', 8),
    lengthAt: wholeNumber('Place of the length, counted from 0.', 0, 32),
    lengthType: choice('Its type.', ['u8', 'u16be', 'u16le']),
    adjust: v.optional(wholeNumber('Bytes of the whole frame beyond the number that stands there.', -64, 64), 0),
    max: max('length'),
  }),
  v.partialCheck(
    [['lengthAt'], ['lengthType'], ['max']],
    ({ lengthAt, lengthType, max: most }) => lengthAt + (lengthType === 'u8' ? 1 : 2) <= most,
    'an object whose length stands within max bytes',
  ),
);

const fixed = v.pipe(
  section('Frames have one length.', {
    type: v.literal('fixed'),
    sync: bytesText('Begins a frame.', 8),
    length: wholeNumber('Bytes of a frame.', 2, FRAME_BYTES_MAX),
    tail: v.exactOptional(bytesText('Ends a frame.', 8)),
  }),
  v.partialCheck(
    [['sync'], ['length'], ['tail']],
    ({ sync, length: bytes, tail }) => bytesOfText(sync).length + bytesOfText(tail ?? '').length <= bytes,
    'an object whose sync and tail fit in length',
  ),
);

const gap = section('Silence ends a frame.', {
  type: v.literal('gap'),
  silence: duration('Time without a byte. An adapter may hold bytes back for 16 ms.', 2, 10_000),
  max: max('gap'),
});

const slip = section('Frames stand between delimiters, which are escaped within.', {
  type: v.literal('slip'),
  escape: v.optional(
    choice('RFC 1055 (c0, db), or octet stuffing as in HDLC (7e, 7d), which is also SHDLC.', ['rfc1055', 'hdlc']),
    'rfc1055',
  ),
  max: max('slip'),
});

const sml = section('SML transport, version 1: escapes, fill bytes and its own CRC.', {
  type: v.literal('sml'),
  max: max('sml'),
});

export const framingSchema = v.pipe(
  v.variant('type', [line, between, length, fixed, gap, slip, sml], oneOfText(FRAMINGS)),
  v.description('How the byte stream is cut into frames.'),
);

const place = {
  from: v.optional(
    wholeNumber('First byte that is covered; negative: from the end.', -FRAME_BYTES_MAX, FRAME_BYTES_MAX),
    0,
  ),
  to: v.exactOptional(
    wholeNumber('First byte that is covered no more; default: `at`.', -FRAME_BYTES_MAX, FRAME_BYTES_MAX),
  ),
  at: v.exactOptional(
    wholeNumber('First byte of the check value; default: it ends the frame.', -FRAME_BYTES_MAX, FRAME_BYTES_MAX),
  ),
  as: v.optional(
    choice('The check value: most significant byte first, last, or as hexadecimal digits.', ['be', 'le', 'hex']),
    'be',
  ),
  strip: v.optional(v.pipe(v.boolean('true or false'), v.description('The decoder gets only what is covered.')), false),
};

const sum = <const Type extends 'xor8' | 'sum8' | 'sum16' | 'lrc'>(type: Type, description: string) =>
  section(description, {
    type: v.literal(type),
    ...place,
    invert: v.optional(v.pipe(v.boolean('true or false'), v.description("One's complement of it.")), false),
  });
const covering = <const Type extends 'xor8' | 'sum8' | 'sum16' | 'lrc'>(type: Type, description: string) =>
  v.pipe(sum(type, description), v.partialCheck([['from'], ['to'], ['at']], coversSomething, COVERED_EXPECTED));

const hexNumber = (description: string) =>
  v.pipe(v.string(HEX_EXPECTED), v.regex(/^[0-9A-Fa-f]{1,8}$/, HEX_EXPECTED), v.description(description));
const flag = (description: string) => v.pipe(v.boolean('true or false'), v.description(description));

const PARAMETERS_FIT = 'values that fit in width bits';
const parameters = v.pipe(
  section('A CRC by its parameters (Rocksoft model).', {
    width: wholeNumber('Bits.', 8, 32),
    poly: hexNumber('Polynomial without its highest bit.'),
    init: v.optional(hexNumber('Start value.'), '0'),
    refin: v.optional(flag('Bytes are taken with their least significant bit first.'), false),
    refout: v.optional(flag('The result is reflected.'), false),
    xorout: v.optional(hexNumber('What the result is exclusive-ored with.'), '0'),
  }),
  v.check(
    ({ width, poly, init, xorout }) => [poly, init, xorout].every((value) => Number.parseInt(value, 16) < 2 ** width),
    PARAMETERS_FIT,
  ),
);

const CRC_EXPECTED = 'an object with either preset (a name of the catalogue) or parameters';
const crc = v.pipe(
  section('A cyclic redundancy check.', {
    type: v.literal('crc'),
    ...place,
    preset: v.exactOptional(choice('By the name in the catalogue of CRCs.', CRC_NAMES)),
    parameters: v.exactOptional(parameters),
  }),
  v.partialCheck(
    [['preset'], ['parameters']],
    (check) => (check.preset === undefined) !== (check.parameters === undefined),
    CRC_EXPECTED,
  ),
  v.partialCheck([['from'], ['to'], ['at']], coversSomething, COVERED_EXPECTED),
);

interface Place {
  readonly from: number;
  readonly to?: number | undefined;
  readonly at?: number | undefined;
}

/** Places from one end can be compared without a frame. */
function coversSomething({ from, to, at }: Place): boolean {
  const end = to ?? at;
  return end === undefined || from < 0 !== end < 0 || from < end;
}

export const checkSchema = v.pipe(
  v.variant(
    'type',
    [
      section('No check.', { type: v.literal('none') }),
      covering('xor8', 'Exclusive or of the bytes.'),
      covering('sum8', 'Sum of the bytes, 8 bits.'),
      covering('sum16', 'Sum of the bytes, 16 bits.'),
      covering('lrc', 'What makes the sum of the bytes 0.'),
      crc,
    ],
    oneOfText(CHECKS),
  ),
  v.description('How a frame proves itself whole. A frame that does not is discarded and counted.'),
);
