/**
 * The elements the schema is built of: names, durations, sizes, numbers, sections. Each carries its description, which
 * ends up in config/device.schema.json for editors, and one text of what is expected, which stands after "must be" in a
 * problem. All checks of one element share that text, so that a mistake is told once.
 */
import * as v from 'valibot';
import { parseBytesText } from '../bytes-text.ts';
import { DURATION_PATTERN, durationText, parseDuration, parseSize, SIZE_PATTERN, sizeText } from './units.ts';

/** Device, sensor, stream, event type and field names: safe in topics, file names and certificates alike. */
export const NAME_EXPECTED = '1 to 64 of A-Z a-z 0-9 . _ -';
const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
const PLAIN_PATTERN = /^[ -~\u00a0-\uffff]*$/;

export function name(description: string) {
  return v.pipe(
    v.string(NAME_EXPECTED),
    v.regex(NAME_PATTERN, NAME_EXPECTED),
    v.description(`${description} ${NAME_EXPECTED}.`),
  );
}

/** Key of a table of fields. */
export const fieldName = v.pipe(
  v.string(NAME_EXPECTED),
  v.regex(NAME_PATTERN, `a field name of ${NAME_EXPECTED}`),
  v.description(`Name of the field in the payload: ${NAME_EXPECTED}.`),
);

/** Of samples. */
export const sampleEncoding = v.optional(
  choice('How samples are written: our own JSON, or SenML (RFC 8428).', ['json', 'senml-json', 'senml-cbor']),
  'json',
);

/** Text without control characters. */
export function text(description: string, lengthMax: number) {
  const expected = `a text of 1 to ${lengthMax} characters without control characters`;
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(lengthMax, expected),
    v.regex(PLAIN_PATTERN, expected),
    v.description(description),
  );
}

/** A path as the system takes it. Relative ones start at the working directory. */
export function path(description: string) {
  const expected = 'the path of a file or directory';
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(4096, expected),
    v.regex(PLAIN_PATTERN, expected),
    v.description(`${description} Absolute, or relative to the working directory.`),
  );
}

/** A path, or the name of a credential that systemd hands to the service. */
export function secretPath(description: string) {
  const expected = 'the path of a file or directory';
  return v.pipe(
    path(description),
    v.check(
      (value) => !value.startsWith('cred:') || /^cred:(?!\.)[A-Za-z0-9._-]{1,255}$/.test(value),
      `${expected}, or cred: and the name of a credential`,
    ),
    v.description(`${description} Absolute, or relative to the working directory, or cred:NAME: a systemd credential.`),
  );
}

/** Text of bytes: see bytes-text.ts. Up to `bytesMax` bytes; `bytesMin` 0 lets it be left empty. */
export function bytesText(description: string, bytesMax: number, bytesMin = 1) {
  const expected = `a text of ${bytesMin} to ${bytesMax} bytes, or hex: and pairs of hexadecimal digits`;
  const fits = (value: string): boolean => {
    const length = value === '' ? 0 : parseBytesText(value)?.length;
    return length !== undefined && length >= bytesMin && length <= bytesMax;
  };
  return v.pipe(
    v.string(expected),
    v.check(fits, expected),
    v.description(`${description} A text, or hex: and digits.`),
  );
}

/** Parsed: milliseconds. `whole seconds` where MQTT counts in seconds. */
export function duration(description: string, minMs: number, maxMs: number, step: 'ms' | 'whole seconds' = 'ms') {
  const expected = `${durationText(minMs)} to ${durationText(maxMs)}`;
  const isInRange = (value: string): boolean => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= minMs && ms <= maxMs;
  };
  const isWhole = (value: string): boolean => step === 'ms' || (parseDuration(value) ?? 0) % 1000 === 0;
  return v.pipe(
    v.string(expected),
    v.regex(DURATION_PATTERN, expected),
    v.check(isInRange, expected),
    v.check((value) => isWhole(value) || !isInRange(value), 'in whole seconds'),
    v.description(`${description} A duration (ms, s, m, h, d), ${expected}.`),
    v.transform((value) => parseDuration(value) ?? 0),
  );
}

/** Parsed: bytes. */
export function size(description: string, minBytes: number, maxBytes: number) {
  const expected = `${sizeText(minBytes)} to ${sizeText(maxBytes)}`;
  const inRange = (value: string): boolean => {
    const bytes = parseSize(value);
    return bytes !== undefined && bytes >= minBytes && bytes <= maxBytes;
  };
  return v.pipe(
    v.string(expected),
    v.regex(SIZE_PATTERN, expected),
    v.check(inRange, expected),
    v.description(`${description} A size (B, KiB, MiB, GiB), ${expected}.`),
    v.transform((value) => parseSize(value) ?? 0),
  );
}

export function wholeNumber(description: string, min: number, max: number) {
  const expected = `a whole number, ${min} to ${max}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
    v.description(`${description} ${min} to ${max}.`),
  );
}

export function choice<const Options extends readonly (string | number)[]>(description: string, options: Options) {
  return v.pipe(v.picklist(options, oneOfText(options)), v.description(description));
}

/** `"even" or "odd"`, as a problem names choices. */
export function oneOfText(options: readonly unknown[]): string {
  const texts = options.map((option) => JSON.stringify(option));
  const last = texts.pop() ?? '';
  return texts.length === 0 ? last : `${texts.join(', ')} or ${last}`;
}

/** An object with these keys and no others. */
export function section<const Entries extends v.ObjectEntries>(description: string, entries: Entries) {
  return v.pipe(
    v.strictObject(entries, (issue) => sectionExpected(entries, issue.expected)),
    v.description(description),
  );
}

/** A missing key is told in the words of the value that belongs there. */
function sectionExpected(entries: v.ObjectEntries, expected: string | null): string {
  const missing = Object.entries(entries).find(([key]) => `"${key}"` === expected)?.[1];
  if (missing === undefined) return 'an object';
  return v.safeParse(missing, undefined).issues?.[0].message ?? 'given';
}
