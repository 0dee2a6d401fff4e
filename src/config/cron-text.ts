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

const CRON_EXPECTED = 'a cron expression of five fields (minute hour day month weekday), or six with seconds first';
export const CRON_LENGTH_MAX = 128;

/** What is expected instead, or undefined when the expression is sound. */
export function cronFault(text: string): string | undefined {
  const parts = text.trim().split(/\s+/);
  if (text.length > CRON_LENGTH_MAX || (parts.length !== 5 && parts.length !== 6)) return CRON_EXPECTED;
  const fields = FIELDS.slice(FIELDS.length - parts.length);
  for (const [index, field] of fields.entries()) {
    if (!(parts[index] ?? '').split(',').every((item) => isItem(item, field))) {
      const names = field.names === undefined ? '' : ` or ${field.names[0]} to ${field.names.at(-1)}`;
      return `a cron expression whose ${field.name} (field ${index + 1}) is *, ${field.min} to ${field.max}${names}, a range, a step or a list of them`;
    }
  }
  return undefined;
}

/** `*`, `5`, `1-5`, each but the single value also with a step: `* /15` without the space, `1-30/2`. */
function isItem(item: string, field: Field): boolean {
  const [, range = '', step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
  if (step !== undefined && (Number(step) < 1 || Number(step) > field.max)) return false;
  if (range === '*') return true;
  const ends = range.split('-').map((end) => valueOf(end, field));
  const [low, high] = ends;
  if (low === undefined || ends.length > 2) return false;
  if (ends.length === 1) return step === undefined;
  return high !== undefined && low <= high;
}

function valueOf(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  // Months are counted from 1, days of the week from 0 (7 is Sunday too).
  if (named >= 0) return named + field.min;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= field.min && value <= field.max ? value : undefined;
}
