/** Times by the clock: a cron expression and its time zone, for schedules and polls alike. */
import * as v from 'valibot';
import { CRON_LENGTH_MAX, cronFault } from './cron-text.ts';

const ZONE_EXPECTED = 'an IANA time zone such as "Europe/Berlin"';

export const cron = v.pipe(
  v.string('a cron expression'),
  v.minLength(1, 'a cron expression'),
  v.maxLength(CRON_LENGTH_MAX, `a cron expression of at most ${CRON_LENGTH_MAX} characters`),
  v.rawCheck(({ dataset, addIssue }) => {
    const expected = dataset.typed && dataset.value !== '' ? cronFault(dataset.value) : undefined;
    if (expected !== undefined) addIssue({ message: expected });
  }),
  v.description('minute hour day month weekday, or with seconds first. It runs when every field fits.'),
);

export const timezone = v.exactOptional(
  v.pipe(
    v.string(ZONE_EXPECTED),
    v.check(isTimeZone, ZONE_EXPECTED),
    v.description("IANA time zone of the expression. Default: the machine's."),
  ),
);

function isTimeZone(zone: string): boolean {
  try {
    // "+01:00" and "utc" are also taken by Intl; a zone of the database has a slash, or is UTC.
    return /^(?:UTC|[A-Za-z_]+(?:\/[A-Za-z0-9_+-]+){1,2})$/.test(zone) && zoned(zone);
  } catch {
    return false;
  }
}

function zoned(zone: string): boolean {
  return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
}
