/**
 * The longest time between two runs of a sound cron expression, from its fields alone, for what must be longer than that.
 * Clocks that are turned are left out of account.
 */
import { chosenOf } from './cron-text.ts';

const SECOND_MS = 1000;
const DAY_SECONDS = 86_400;
/** With two leap years in it, so that every date comes twice. */
const FIRST_DAY_MS = Date.UTC(2028, 0, 1);
const DAYS = 6 * 366;

/** Milliseconds; undefined where the expression is not sound. */
export function longestGapMs(text: string): number | undefined {
  const chosen = chosenOf(text);
  if (typeof chosen === 'string') return undefined;
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] = chosen.map((values) =>
    [...new Set(values)].sort((one, other) => one - other),
  );
  const starts = hours.flatMap((hour) => minutes.map((minute) => (hour * 60 + minute) * 60));
  const fits = (day: Date): boolean =>
    months.includes(day.getUTCMonth() + 1) &&
    days.includes(day.getUTCDate()) &&
    weekdays.some((weekday) => weekday % 7 === day.getUTCDay());
  return (
    SECOND_MS * Math.max(longestInDay(starts, seconds), DAY_SECONDS * longestInDays(fits) - spanOf(starts, seconds))
  );
}

/** Between two times of one day, seconds. */
function longestInDay(starts: readonly number[], seconds: readonly number[]): number {
  const inMinute = seconds.slice(1).map((second, at) => second - (seconds[at] ?? 0));
  const between = starts.slice(1).map((start, at) => start - (starts[at] ?? 0) - spanOf([0], seconds));
  return Math.max(0, ...inMinute, ...between);
}

/** From the first time of a day to its last. */
function spanOf(starts: readonly number[], seconds: readonly number[]): number {
  return (starts.at(-1) ?? 0) + (seconds.at(-1) ?? 0) - (starts[0] ?? 0) - (seconds[0] ?? 0);
}

/** From one day that fits to the next, in days; one that comes more seldom than leap years: all that were looked at. */
function longestInDays(fits: (day: Date) => boolean): number {
  let last: number | undefined;
  let longest = 0;
  for (let at = 0; at < DAYS; at += 1) {
    if (!fits(new Date(FIRST_DAY_MS + at * DAY_SECONDS * SECOND_MS))) continue;
    if (last !== undefined) longest = Math.max(longest, at - last);
    last = at;
  }
  return longest === 0 ? DAYS : longest;
}
