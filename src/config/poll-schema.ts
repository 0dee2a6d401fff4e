/** `sensors[].init` and `sensors[].poll`: what the agent says to a device when its line opens, and how it asks for readings. */
import * as v from 'valibot';
import { cron, timezone } from './clock-schema.ts';
import { bytesText, choice, duration, section, wholeNumber } from './elements.ts';

const WHEN_EXPECTED = 'an object with either every (a duration) or cron';
const STEPS_EXPECTED = 'a list of at most 16 steps';
const STEP_EXPECTED = 'a step that does something: wait, write, expect or baudRate';
const WAIT_MAX = 60_000;

export const baudRate = (description: string) => wholeNumber(description, 50, 4_000_000);

/** When something is asked. */
export const pollTime = {
  every: v.exactOptional(duration('Time from one request to the next.', 50, 86_400_000)),
  cron: v.exactOptional(cron),
  timezone,
};

export interface PollTimes {
  readonly every?: number | undefined;
  readonly cron?: string | undefined;
}

export const hasOneTime = (poll: PollTimes): boolean => (poll.every === undefined) !== (poll.cron === undefined);
export { WHEN_EXPECTED };

const step = v.pipe(
  section('A step: it waits, writes, expects an answer, changes the baud rate, in this order.', {
    wait: v.exactOptional(duration('Time to wait first.', 1, WAIT_MAX)),
    write: v.exactOptional(bytesText('What is written.', 512)),
    expect: v.exactOptional(bytesText('Bytes that must come.', 64)),
    timeout: v.optional(duration('Time for `expect`.', 10, WAIT_MAX), '2s'),
    baudRate: v.exactOptional(baudRate('Bits per second from here on.')),
  }),
  v.check(
    ({ wait, write, expect, baudRate: rate }) => [wait, write, expect, rate].some((each) => each !== undefined),
    STEP_EXPECTED,
  ),
);

export const initSchema = section('What is done each time the line opens, before anything is read.', {
  settle: v.optional(
    duration(
      'Time the device takes to start after the opening (an Arduino resets). What it sends is discarded.',
      0,
      WAIT_MAX,
    ),
    '0s',
  ),
  steps: v.optional(
    v.pipe(v.array(step, STEPS_EXPECTED), v.maxLength(16, STEPS_EXPECTED), v.description('In this order. At most 16.')),
    [],
  ),
});

const keys = section('Asking for readings. The answers are frames like any other.', {
  ...pollTime,
  write: bytesText('The request.', 512),
  timeout: v.optional(duration('Time in which a good frame must come.', 10, WAIT_MAX), '2s'),
  retries: v.optional(wholeNumber('Times that a request without an answer is repeated at once.', 0, 10), 0),
  handshake: v.exactOptional(
    choice('The meter names its speed in its first answer, and both change to it for the read-out.', ['iec62056-21']),
  ),
  baudRateMax: v.exactOptional(baudRate('With a handshake: never faster than this.')),
});

export const pollSchema = v.pipe(
  keys,
  v.metadata({ oneOf: [{ required: ['every'] }, { required: ['cron'] }] }),
  v.partialCheck([['every'], ['cron']], hasOneTime, WHEN_EXPECTED),
  v.forward(
    v.partialCheck(
      [['handshake'], ['baudRateMax']],
      ({ handshake, baudRateMax }) => baudRateMax === undefined || handshake !== undefined,
      'left out: only a handshake has a baudRateMax',
    ),
    ['baudRateMax'],
  ),
);
