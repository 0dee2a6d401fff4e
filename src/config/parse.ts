/**
 * device.json from text to DeviceConfig, or every problem with its JSON pointer. The way in for the service, for
 * `fieldpost check`, and for whatever else has to judge a configuration: nothing else decides what is valid.
 */
import * as v from 'valibot';
import { parseJsonText } from '../json-text.ts';
import { foundText, type Problem, pointerOf } from './problem.ts';
import { withProfiles } from './profiles.ts';
import { type DeviceConfig, deviceSchema } from './schema.ts';
import { hostProblems, sensorProblems } from './sensor-rules.ts';
import { OBJECT_EXPECTED, shapeProblems } from './shape.ts';

export type ParseResult =
  /** `value`: the JSON itself, as it stands in the file. */
  | { readonly ok: true; readonly value: unknown; readonly config: DeviceConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A configuration of 64 sensors is about 100 KiB; beyond this it is another file. */
export const CONFIG_BYTES_MAX = 1024 * 1024;
/** More help nobody. */
const PROBLEMS_MAX = 200;

/** The bytes of a file. `fatal` decoding: a replaced character in a path or name would be another path or name. */
export function parseDeviceConfigBytes(bytes: Uint8Array): ParseResult {
  if (bytes.length > CONFIG_BYTES_MAX) return wholeFile(`${bytes.length} bytes`, `at most ${CONFIG_BYTES_MAX} bytes`);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return wholeFile('a byte order mark (EF BB BF)', 'UTF-8 without a byte order mark');
  }
  try {
    return parseDeviceConfig(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) return wholeFile('bytes that are not UTF-8', 'UTF-8 text');
    throw error;
  }
}

/** Never throws. All problems at once, sorted by their pointers. */
export function parseDeviceConfig(text: string): ParseResult {
  if (text.length > CONFIG_BYTES_MAX)
    return wholeFile(`${text.length} characters`, `at most ${CONFIG_BYTES_MAX} bytes`);
  if (text.startsWith('\ufeff')) return wholeFile('a byte order mark', 'UTF-8 without a byte order mark');
  if (text.trim() === '') return wholeFile('an empty file', 'a JSON object');
  const json = parseJsonText(text);
  if (json.kind === 'mistake') {
    const { path, ...mistake } = json.mistake;
    return { ok: false, problems: [{ pointer: pointerOf(path), ...mistake }] };
  }
  return parseDeviceValue(json.value);
}

/** A value that was parsed already: the same judgement. */
export function parseDeviceValue(file: unknown): ParseResult {
  const value = withProfiles(file);
  const result = v.safeParse(deviceSchema, value);
  const shape = shapeProblems(deviceSchema, value);
  // A list in place of an object is told once, not again for each key that it does not have.
  const lists = shape.filter((problem) => problem.expected === OBJECT_EXPECTED).map(({ pointer }) => `${pointer}/`);
  const issues = (result.issues ?? [])
    .filter((issue) => !isUnknownKey(issue))
    .map((issue) => problemOf(issue, value))
    .filter(({ pointer }) => !lists.some((start) => pointer.startsWith(start)));
  const found = [...shape, ...issues, ...sensorProblems(value), ...hostProblems(value)];
  if (result.success && found.length === 0) return { ok: true, value: file, config: result.output };
  return { ok: false, problems: eachOnce(withoutMissing(found)) };
}

/** What a sensor lacks because its profile is not known is not told beside that. */
function withoutMissing(problems: readonly Problem[]): readonly Problem[] {
  const sensors = problems.flatMap(({ pointer }) => /^\/sensors\/\d+\/(?=profile$)/.exec(pointer) ?? []);
  return problems.filter(
    ({ pointer, found }) => found !== 'nothing' || !sensors.some((sensor) => pointer.startsWith(sensor)),
  );
}

function problemOf(issue: v.BaseIssue<unknown>, file: unknown): Problem {
  const path = (issue.path ?? []).map((item) => (typeof item.key === 'number' ? item.key : String(item.key)));
  const last = issue.path?.at(-1);
  const isKeyWrong = last?.origin === 'key' && issue.input !== undefined;
  const found = isKeyWrong ? `the key ${foundText(last.key)}` : foundText(valueAt(file, path));
  return { pointer: pointerOf(path), found, expected: issue.message };
}

/** What the file says there: the issue itself may hold a default or a converted value. */
function valueAt(file: unknown, path: readonly (string | number)[]): unknown {
  let value = file;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[step];
  }
  return value;
}

/** Unknown keys are found by shape.ts, all of them. */
function isUnknownKey(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never';
}

/** Sorted by place, so that what belongs together stands together. */
function eachOnce(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map(problems.map((problem) => [`${problem.pointer}\n${problem.expected}`, problem]));
  const order = new Intl.Collator('en', { numeric: true });
  return [...seen.values()].sort((left, right) => order.compare(left.pointer, right.pointer)).slice(0, PROBLEMS_MAX);
}

function wholeFile(found: string, expected: string): ParseResult {
  return { ok: false, problems: [{ pointer: '', found, expected }] };
}
