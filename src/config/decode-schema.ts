/**
 * `sensors[].decode`: what a frame means. The decoder also says which field names exist, where it can, so that a route that
 * names another is found before the first frame.
 */
import * as v from 'valibot';
import { fieldName, oneOfText, section, text } from './elements.ts';
import { PATTERN_LENGTH_MAX, patternFault } from './pattern.ts';
import { structField, structFields } from './struct-schema.ts';

const SEPARATOR_EXPECTED = 'one character that is not a line end or double quote';
const COLUMNS_EXPECTED = 'a list of 1 to 64 column names, each once';
const PATTERN_EXPECTED = `a text of 1 to ${PATTERN_LENGTH_MAX} characters`;

const json = section('A frame is a JSON object; its keys are the field names.', { type: v.literal('json') });

const csv = section('A frame is a row of values.', {
  type: v.literal('csv'),
  columns: v.pipe(
    v.array(fieldName, COLUMNS_EXPECTED),
    v.minLength(1, COLUMNS_EXPECTED),
    v.maxLength(64, COLUMNS_EXPECTED),
    v.check((columns) => new Set(columns).size === columns.length, COLUMNS_EXPECTED),
    v.description('Names of the columns, in order.'),
  ),
  separator: v.optional(
    v.pipe(
      v.string(SEPARATOR_EXPECTED),
      v.regex(/^[^\r\n"]$/, SEPARATOR_EXPECTED),
      v.description('Stands between two values.'),
    ),
    ',',
  ),
});

const regex = section('A frame is matched by a regular expression; its named groups are the fields.', {
  type: v.literal('regex'),
  pattern: v.pipe(
    v.string(PATTERN_EXPECTED),
    v.minLength(1, PATTERN_EXPECTED),
    v.maxLength(PATTERN_LENGTH_MAX, PATTERN_EXPECTED),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || dataset.value.length > PATTERN_LENGTH_MAX) return;
      const expected = dataset.value === '' ? undefined : patternFault(dataset.value);
      if (expected !== undefined) addIssue({ message: expected });
    }),
    v.description('JavaScript syntax without flags, with named groups; nothing variable inside a repeated group.'),
  ),
});

const plain = <const Type extends string>(type: Type, description: string) =>
  section(description, { type: v.literal(type) });

const TYPES = ['json', 'csv', 'regex', 'struct', 'obis', 'nmea', 'sml', 'raw'] as const;

export const decodeSchema = v.pipe(
  v.variant(
    'type',
    [
      json,
      csv,
      regex,
      section('A frame is binary; its fields stand at fixed places.', {
        type: v.literal('struct'),
        fields: structFields(structField),
      }),
      plain('obis', 'A telegram of OBIS codes and values: DSMR and ESMR P1, IEC 62056-21.'),
      plain('nmea', 'A sentence of NMEA 0183; names such as `RMC.lat`.'),
      plain('sml', 'A file of SML, with OBIS codes as names.'),
      plain('raw', 'The frame as it is: `hex` and `length`.'),
    ],
    oneOfText(TYPES),
  ),
  v.description('What a frame means.'),
);

export const unitSchema = v.exactOptional(text('Unit, in SenML (RFC 8428) words where there is one: Cel, l, kWh.', 32));
