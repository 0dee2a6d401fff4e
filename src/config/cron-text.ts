/**
 * Judges a cron expression: five fields (minute, hour, day of month, month, day of week) or six (seconds first), each `*`,
 * a value, a range, a list, with steps, months and days also by their English names. Only what every cron reads alike:
 * `L`, `W`, `#`, `?` and nicknames differ from one to the next. Running it is node-cron's part; a test holds the two
 * together.
 */

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly Field[] = [
  { name: 'second', min: 0, max: 59 },
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: DAYS },
];

/** February as in a leap year. */
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const CRON_EXPECTED = 'a cron expression of five fields (minute hour day month weekday), or six with seconds first';
export const CRON_LENGTH_MAX = 128;

/** What is expected instead, or undefined when the expression is sound. */
export function cronFault(text: string): string | undefined {
  const chosen = chosenOf(text);
  return typeof chosen === 'string' ? chosen : undefined;
}

/** What each of the six fields stands for, seconds first; a text says what is expected instead. */
export function chosenOf(text: string): readonly (readonly number[])[] | string {
  const parts = text.trim().split(/\s+/);
  if (text.length > CRON_LENGTH_MAX || (parts.length !== 5 && parts.length !== 6)) return CRON_EXPECTED;
  const fields = FIELDS.slice(FIELDS.length - parts.length);
  const chosen: (readonly number[])[] = [];
  for (const [index, field] of fields.entries()) {
    const values = (parts[index] ?? '').split(',').map((item) => valuesOf(item, field));
    if (values.includes(undefined)) {
      const names = field.names === undefined ? '' : ` or ${field.names[0]} to ${field.names.at(-1)}`;
      return `a cron expression whose ${field.name} (field ${index + 1}) is *, ${field.min} to ${field.max}${names}, a range, a step or a list of them`;
    }
    chosen.push(values.flatMap((each) => each ?? []));
  }
  const [days = [], months = []] = chosen.slice(-3);
  const longest = Math.max(...months.map((month) => MONTH_DAYS[month - 1] ?? 0));
  return Math.min(...days) > longest
    ? `a cron expression with a date that comes: the longest of its months has ${longest} days`
    : [...(chosen.length === 5 ? [[0]] : []), ...chosen];
}

/** What `*`, `5` or `1-5` stand for, each but the single value also with a step: `* /15` without the space, `1-30/2`. */
function valuesOf(item: string, field: Field): readonly number[] | undefined {
  const [, range = '', step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
  if (step !== undefined && (Number(step) < 1 || Number(step) > field.max)) return undefined;
  const ends = range === '*' ? [field.min, field.max] : range.split('-').map((end) => valueOf(end, field));
  const [low, high] = ends.length === 1 ? [ends[0], ends[0]] : ends;
  if (low === undefined || high === undefined || ends.length > 2 || low > high) return undefined;
  if (ends.length === 1 && step !== undefined) return undefined;
  const values: number[] = [];
  for (let value = low; value <= high; value += Number(step ?? 1)) values.push(value);
  return values;
}

function valueOf(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  // Months are counted from 1, days of the week from 0 (7 is Sunday too).
  if (named >= 0) return named + field.min;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= field.min && value <= field.max ? value : undefined;
}
