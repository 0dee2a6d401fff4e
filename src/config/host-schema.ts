/** `host`, `schedule` and `commands`: what the device tells of itself, does by the clock, and lets itself be asked. */
import * as v from 'valibot';
import { HOST_METRICS } from '../ports.ts';
import { type CommandName, COMMAND_NAMES, LATER_COMMANDS } from './command-names.ts';
import { cron, timezone } from './clock-schema.ts';
import { choice, duration, oneOfText, path, sampleEncoding, section } from './elements.ts';
import { nearest } from './nearest.ts';

const METRICS_EXPECTED = `a list of ${oneOfText(HOST_METRICS)}, each once`;
const SCHEDULE_EXPECTED = 'a list of at most 32 entries';
const COMMANDS_EXPECTED = 'an object of "on", "off" or "signed" by command';

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
  encoding: sampleEncoding,
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

const entry = section('A command that the device gives itself.', {
  cron,
  timezone,
  command: commandName,
  args: v.exactOptional(
    v.pipe(v.record(v.string(), v.unknown(), 'an object of arguments'), v.description("The command's arguments.")),
  ),
  missed: v.exactOptional(
    choice(
      'Times at which the agent was off, or over which the clock was set: `once` runs the command once for them all. Default: off.',
      ['off', 'once'],
    ),
  ),
  jitter: v.exactOptional(
    duration('Puts each run off by chance, by less than this: a fleet does not ask all at once.', 1000, 43_200_000),
  ),
});

export const scheduleSchema = v.pipe(
  v.array(entry, SCHEDULE_EXPECTED),
  v.maxLength(32, SCHEDULE_EXPECTED),
  v.description('Commands by the clock. Their answers go to up/response as if they had been asked for. At most 32.'),
);

export const commandsSchema = v.pipe(
  v.record(
    commandName,
    choice('on, off, or signed: only with a signature of who may.', ['on', 'off', 'signed']),
    COMMANDS_EXPECTED,
  ),
  v.description('Commands that are on, off, or must be signed. Those not named: reading ones on, changing ones off.'),
);

export const signersSchema = section('Who may sign commands.', {
  file: path(
    'OpenSSH file of allowed signers: principals, options, key, one a line. Local: read again for each signature.',
  ),
});

function isCommand(name: string): name is CommandName {
  return COMMAND_NAMES.some((known) => known === name);
}

function commandExpected(name: string): string {
  if (LATER_COMMANDS.includes(name))
    return `${oneOfText(COMMAND_NAMES)}: this command is known, but not in this version`;
  const near = nearest(name, COMMAND_NAMES);
  return `the name of a command, ${oneOfText(COMMAND_NAMES)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}
