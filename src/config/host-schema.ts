/** `host`, `schedule` and `commands`: what the device tells of itself, does by the clock, and lets itself be asked. */
import * as v from 'valibot';
import { HOST_METRICS } from '../ports.ts';
import { type CommandName, COMMAND_NAMES, LATER_COMMANDS } from './command-names.ts';
import { CRON_LENGTH_MAX, cronFault } from './cron-text.ts';
import { choice, duration, oneOfText, section } from './elements.ts';
import { nearest } from './nearest.ts';

const METRICS_EXPECTED = `a list of ${oneOfText(HOST_METRICS)}, each once`;
const SCHEDULE_EXPECTED = 'a list of at most 32 entries';
const ZONE_EXPECTED = 'an IANA time zone such as "Europe/Berlin"';
const COMMANDS_EXPECTED = 'an object of "on" or "off" by command';

export const hostSchema = section('Figures of the machine, as telemetry of the sensor "host".', {
  every: v.optional(duration('Time between two readings.', 5000, 86_400_000), '60s'),
  metrics: v.optional(
    v.pipe(
      v.array(choice('A group of figures.', HOST_METRICS), METRICS_EXPECTED),
      v.minLength(1, METRICS_EXPECTED),
      v.check((metrics) => new Set(metrics).size === metrics.length, METRICS_EXPECTED),
      v.description('Which figures. Default: all.'),
    ),
    [...HOST_METRICS],
  ),
});

const commandName = v.pipe(
  v.string('the name of a command'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || isCommand(dataset.value)) return;
    addIssue({ message: commandExpected(dataset.value) });
  }),
  v.metadata({ enum: [...COMMAND_NAMES] }),
  v.description('Name of a command.'),
);

const cron = v.pipe(
  v.string('a cron expression'),
  v.minLength(1, 'a cron expression'),
  v.maxLength(CRON_LENGTH_MAX, `a cron expression of at most ${CRON_LENGTH_MAX} characters`),
  v.rawCheck(({ dataset, addIssue }) => {
    const expected = dataset.typed && dataset.value !== '' ? cronFault(dataset.value) : undefined;
    if (expected !== undefined) addIssue({ message: expected });
  }),
  v.description('minute hour day month weekday, or with seconds first. It runs when every field fits.'),
);

const entry = section('A command that the device gives itself.', {
  cron,
  timezone: v.exactOptional(
    v.pipe(
      v.string(ZONE_EXPECTED),
      v.check(isTimeZone, ZONE_EXPECTED),
      v.description("IANA time zone of the expression. Default: the machine's."),
    ),
  ),
  command: commandName,
  args: v.exactOptional(
    v.pipe(v.record(v.string(), v.unknown(), 'an object of arguments'), v.description("The command's arguments.")),
  ),
});

export const scheduleSchema = v.pipe(
  v.array(entry, SCHEDULE_EXPECTED),
  v.maxLength(32, SCHEDULE_EXPECTED),
  v.description('Commands by the clock. Their answers go to up/response as if they had been asked for. At most 32.'),
);

export const commandsSchema = v.pipe(
  v.record(commandName, choice('on or off.', ['on', 'off']), COMMANDS_EXPECTED),
  v.description('Commands that are on or off. Those not named: reading ones on, changing ones off.'),
);

function isCommand(name: string): name is CommandName {
  return COMMAND_NAMES.some((known) => known === name);
}

function commandExpected(name: string): string {
  if (LATER_COMMANDS.includes(name))
    return `${oneOfText(COMMAND_NAMES)}: this command is known, but not in this version`;
  const near = nearest(name, COMMAND_NAMES);
  return `the name of a command, ${oneOfText(COMMAND_NAMES)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}

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
