/**
 * `sensors[].framing` and `sensors[].decode`: how the byte stream is cut into frames, and what a frame means. The decoder
 * also says which field names exist, where it can, so that a route that names another is found before the first frame.
 */
import * as v from 'valibot';
import { fieldName, section, text, wholeNumber } from './elements.ts';
import { typeExpected } from './later.ts';
import { PATTERN_LENGTH_MAX, patternFault } from './pattern.ts';

const DELIMITER_EXPECTED = 'a text of 1 to 8 characters';
const SEPARATOR_EXPECTED = 'one character that is not a line end or double quote';
const COLUMNS_EXPECTED = 'a list of 1 to 64 column names, each once';
const PATTERN_EXPECTED = `a text of 1 to ${PATTERN_LENGTH_MAX} characters`;

const line = section('Frames end with a delimiter.', {
  type: v.literal('line'),
  delimiter: v.optional(
    v.pipe(
      v.string(DELIMITER_EXPECTED),
      v.minLength(1, DELIMITER_EXPECTED),
      v.maxLength(8, DELIMITER_EXPECTED),
      v.description(
        `Ends a frame and is not part of it: ${DELIMITER_EXPECTED}. With "\\n" a "\\r" before it is dropped too.`,
      ),
    ),
    '\n',
  ),
  max: v.optional(wholeNumber('Bytes of a frame at most. Longer ones are discarded and counted.', 16, 16_384), 1024),
});

export const framingSchema = v.pipe(
  v.variant('type', [line], (issue) => typeExpected('framing', '"line"', issue.input)),
  v.description('How the byte stream is cut into frames.'),
);

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

export const decodeSchema = v.pipe(
  v.variant('type', [json, csv, regex], (issue) => typeExpected('decode', '"json", "csv" or "regex"', issue.input)),
  v.description('What a frame means.'),
);

export const unitSchema = v.exactOptional(text('Unit, in SenML (RFC 8428) words where there is one: Cel, l, kWh.', 32));
