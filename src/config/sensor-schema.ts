/**
 * `sensors[]`: a line, what is said on it, how its bytes become readings, and what becomes of those. Either framing and
 * decode, or modbus. Parsed, a Modbus sensor has the framing and decoder that stand for "none of our own".
 */
import * as v from 'valibot';
import { longestGapMs } from './cron-gap.ts';
import { decodeSchema } from './decode-schema.ts';
import { duration, name, section } from './elements.ts';
import { bodyLength, holdsFields } from './fixed-frame.ts';
import { checkSchema, framingSchema } from './framing-schema.ts';
import { modbusSchema } from './modbus-schema.ts';
import { initSchema, pollSchema, type PollTimes } from './poll-schema.ts';
import { portSchema } from './port-schema.ts';
import { profileSchema } from './profile-schema.ts';
import { routeSchema } from './route-schema.ts';
import { writesSchema } from './writes-schema.ts';

const ROUTES_EXPECTED = 'a list of 1 to 32 routes';
const DECODE_EXPECTED = 'an object that says what a frame means, or modbus in its place';
const BESIDE_EXPECTED =
  'left out: modbus brings its own framing, check, decode, init and poll, and its line, which may be shared, no watchdog and no writes';
const OVER_TCP = 'over tcp the serial server sets the baud rate';

/** From one poll to the next, milliseconds. */
function longestBeat(poll: PollTimes | undefined): number {
  return poll?.every ?? (poll?.cron === undefined ? 0 : (longestGapMs(poll.cron) ?? 0));
}

const keys = section('A sensor.', {
  id: name('Name of the sensor in topics and events, unique on the device.'),
  profile: v.exactOptional(profileSchema),
  port: portSchema,
  framing: v.exactOptional(framingSchema),
  check: v.exactOptional(checkSchema),
  decode: v.exactOptional(decodeSchema),
  init: v.exactOptional(initSchema),
  poll: v.exactOptional(pollSchema),
  modbus: v.exactOptional(modbusSchema),
  staleAfter: v.exactOptional(
    duration(
      'Without a good reading for this long the sensor is stale. Default 5m, or twice the time from poll to poll.',
      1000,
      604_800_000,
    ),
  ),
  watchdog: v.exactOptional(
    duration(
      'Without a good reading for this long the line is closed and opened again. Longer than the time from poll to poll.',
      1000,
      604_800_000,
    ),
  ),
  writes: v.exactOptional(writesSchema),
  routes: v.exactOptional(
    v.pipe(
      v.array(routeSchema, ROUTES_EXPECTED),
      v.minLength(1, ROUTES_EXPECTED),
      v.maxLength(32, ROUTES_EXPECTED),
      v.description('What becomes of the readings. 1 to 32.'),
    ),
  ),
});

export const sensorSchema = v.pipe(
  keys,
  v.metadata({
    anyOf: [{ required: ['decode', 'routes'] }, { required: ['modbus', 'routes'] }, { required: ['profile'] }],
  }),
  v.forward(
    v.partialCheck(
      [['decode'], ['modbus']],
      ({ decode, modbus }) => decode !== undefined || modbus !== undefined,
      DECODE_EXPECTED,
    ),
    ['decode'],
  ),
  v.forward(
    v.partialCheck([['routes']], ({ routes }) => routes !== undefined, ROUTES_EXPECTED),
    ['routes'],
  ),
  v.forward(
    v.partialCheck(
      [['modbus'], ['framing'], ['check'], ['decode'], ['init'], ['poll'], ['watchdog'], ['writes']],
      ({ modbus, ...own }) =>
        modbus === undefined ||
        [own.framing, own.check, own.decode, own.init, own.poll, own.watchdog, own.writes].every(
          (each) => each === undefined,
        ),
      BESIDE_EXPECTED,
    ),
    ['modbus'],
  ),
  v.forward(
    v.partialCheck(
      [['port'], ['init']],
      ({ port, init }) => port.kind !== 'tcp' || (init?.steps ?? []).every((step) => step.baudRate === undefined),
      `without a baudRate: ${OVER_TCP}`,
    ),
    ['init'],
  ),
  v.forward(
    v.partialCheck(
      [['port'], ['poll']],
      ({ port, poll }) => port.kind !== 'tcp' || poll?.handshake === undefined,
      `without a handshake: ${OVER_TCP}`,
    ),
    ['poll'],
  ),
  v.forward(
    v.partialCheck(
      [['poll'], ['writes']],
      ({ poll, writes }) => writes === undefined || poll?.handshake === undefined,
      'left out: with a handshake the line changes its speed',
    ),
    ['writes'],
  ),
  v.forward(
    v.partialCheck(
      [['poll'], ['watchdog']],
      ({ poll, watchdog }) => watchdog === undefined || watchdog > longestBeat(poll),
      'longer than the time from poll to poll, by cron the longest that comes',
    ),
    ['watchdog'],
  ),
  v.forward(
    v.partialCheck(
      [['framing'], ['check']],
      ({ framing, check }) => framing?.type !== 'fixed' || bodyLength(framing.length, check) !== undefined,
      'a check within the length of the frame',
    ),
    ['check'],
  ),
  v.forward(
    v.partialCheck(
      [['framing'], ['check'], ['decode']],
      ({ framing, check, decode }) =>
        framing?.type !== 'fixed' ||
        decode?.type !== 'struct' ||
        holdsFields(bodyLength(framing.length, check) ?? framing.length, decode.fields),
      'fields within the length of the frame',
    ),
    ['decode'],
  ),
  v.forward(
    v.partialCheck(
      [['framing'], ['check']],
      ({ framing, check }) => framing?.type !== 'sml' || check === undefined || check.type === 'none',
      'left out: SML brings its own check',
    ),
    ['check'],
  ),
  v.transform(({ framing, decode, routes, ...rest }) => ({
    ...rest,
    framing: framing ?? { type: 'line' as const, delimiter: '\n', max: 1024 },
    decode: decode ?? { type: 'raw' as const },
    routes: routes ?? [],
  })),
);
