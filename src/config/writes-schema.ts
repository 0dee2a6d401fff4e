/**
 * `sensors[].writes`: what `serial.write` may write to this device, and nothing else may be written by command. A template is
 * a text with `{name}` for values, each within bounds that stand here; bytes in hex have none.
 */
import * as v from 'valibot';
import { bytesText, duration, fieldName, section, wholeNumber } from './elements.ts';
import { placeholders } from './sensor-rules.ts';

const TEMPLATES_EXPECTED = 'an object of 1 to 32 templates';
const VALUE_EXPECTED = 'an object with either oneOf, or min and max';
const RANGE_EXPECTED = 'a range with min at most max';
const ONE_OF_EXPECTED = 'a list of 1 to 32 texts of 1 to 64 printable ASCII characters';
const NUMBER_EXPECTED = 'a number';
const VALUES_EXPECTED = 'the values of the names in {braces} of write, and no others; hex: has none';

const value = v.pipe(
  section('What may stand in place of {name}.', {
    oneOf: v.exactOptional(
      v.pipe(
        v.array(v.pipe(v.string(ONE_OF_EXPECTED), v.regex(/^[\x20-\x7e]{1,64}$/, ONE_OF_EXPECTED)), ONE_OF_EXPECTED),
        v.minLength(1, ONE_OF_EXPECTED),
        v.maxLength(32, ONE_OF_EXPECTED),
        v.description('One of these texts.'),
      ),
    ),
    min: v.exactOptional(v.pipe(v.number(NUMBER_EXPECTED), v.description('A number, not less than this.'))),
    max: v.exactOptional(v.pipe(v.number(NUMBER_EXPECTED), v.description('A number, not more than this.'))),
    decimals: v.exactOptional(wholeNumber('Of a number: digits behind its point, all of them written.', 0, 9)),
  }),
  v.check(
    ({ oneOf, min, max, decimals }) =>
      oneOf === undefined
        ? min !== undefined && max !== undefined
        : [min, max, decimals].every((each) => each === undefined),
    VALUE_EXPECTED,
  ),
  v.check(({ min, max }) => (min ?? 0) <= (max ?? 0) || min === undefined || max === undefined, RANGE_EXPECTED),
);

const template = v.pipe(
  section('A template.', {
    write: bytesText('What is written; {name} is replaced by that value.', 512),
    values: v.optional(
      v.pipe(v.record(fieldName, value, 'an object of values'), v.description('By the names in {braces}.')),
      {},
    ),
    expect: v.exactOptional(bytesText('Bytes that must come as the answer.', 64)),
    timeout: v.optional(duration('Time for `expect`.', 10, 60_000), '2s'),
  }),
  v.forward(
    v.partialCheck(
      [['write'], ['values']],
      ({ write, values }) => isMatch(write, Object.keys(values)),
      VALUES_EXPECTED,
    ),
    ['values'],
  ),
);

export const writesSchema = v.pipe(
  v.record(fieldName, template, TEMPLATES_EXPECTED),
  v.minEntries(1, TEMPLATES_EXPECTED),
  v.maxEntries(32, TEMPLATES_EXPECTED),
  v.description('What the command serial.write may write, by name. Default: nothing.'),
);

function isMatch(write: string, names: readonly string[]): boolean {
  const wanted = write.startsWith('hex:') ? [] : placeholders(write);
  return wanted.every((name) => names.includes(name)) && names.every((name) => wanted.includes(name));
}
