/** Framings, checks, decoders, polls, Modbus and profiles in device.json: what is taken, and how each mistake is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NUMBER_TYPES } from '../src/config/struct-schema.ts';
import { CRC_NAMES } from '../src/config/framing-schema.ts';
import { findProfile, PROFILE_NAMES } from '../src/config/profiles.ts';
import { STRUCT_TYPES } from '../src/sensor/config.ts';
import { CRC_PRESETS } from '../src/serial/crc.ts';
import { base, good, type Json, one, route, sensor, withRoute, withSensor } from './config-rig.ts';

const poll = { every: '2s', fc: 4, at: 0, count: 4, fields: { v: { at: 0, type: 'f32be' } } };
const meter = { id: 'm', port: { path: '/dev/ttyUSB0' }, routes: [{ telemetry: { fields: { v: { from: 'v' } } } }] };
const modbus = (change: Json = {}, ofPoll: Json = {}): Json => ({
  ...base(),
  sensors: [{ ...meter, modbus: { unit: 1, polls: [{ ...poll, ...ofPoll }], ...change } }],
});
const struct = (field: Json): Json =>
  withRoute({ telemetry: { fields: { v: { from: 'v' } } } }, { type: 'struct', fields: { v: field } });
const eventWith = (rule: Json, more: Json = {}): Json =>
  withRoute({ event: { stream: 's', type: 't', fields: { volume: { from: 'ml' } }, ...rule }, ...more });
const telemetryWith = (change: Json): Json => withRoute({ telemetry: { fields: { t: { from: 't' } }, ...change } });

const fixedSensor = {
  ...meter,
  framing: { type: 'fixed', sync: 'B', length: 9 },
  decode: { type: 'struct', fields: { v: { at: 5, type: 'f32be' } } },
};
/** Two requests, "a" for v and the second, without a name, for w. */
const twoPolls = (change: Json): Json => ({
  ...base(),
  sensors: [
    {
      ...meter,
      modbus: {
        unit: 1,
        polls: [
          { ...poll, name: 'a' },
          { ...poll, fields: { w: { at: 0, type: 'f32be' } } },
        ],
      },
      routes: [change],
    },
  ],
});

const MISTAKES: readonly (readonly [what: string, file: Json, told: string])[] = [
  [
    'hexadecimal digits without a pair',
    withSensor({ framing: { type: 'between', start: 'hex:0', end: '!' } }),
    '/sensors/0/framing/start: must be a text of 1 to 8 bytes, or hex: and pairs of hexadecimal digits, got "hex:0"',
  ],
  [
    'a framing nobody knows',
    withSensor({ framing: { type: 'cobs' } }),
    '/sensors/0/framing/type: must be "line", "between", "length", "fixed", "gap", "slip" or "sml", got "cobs"',
  ],
  [
    'a check nobody knows',
    withSensor({ check: { type: 'md5' } }),
    '/sensors/0/check/type: must be "none", "xor8", "sum8", "sum16", "lrc" or "crc", got "md5"',
  ],
  [
    'a CRC without parameters',
    withSensor({ check: { type: 'crc' } }),
    '/sensors/0/check: must be an object with either preset (a name of the catalogue) or parameters, got an object with 1 key',
  ],
  [
    'a polynomial wider than the CRC',
    withSensor({ check: { type: 'crc', parameters: { width: 8, poly: '1021' } } }),
    '/sensors/0/check/parameters: must be values that fit in width bits, got an object with 2 keys',
  ],
  [
    'a check beside SML',
    withSensor({ framing: { type: 'sml' }, check: { type: 'xor8' } }),
    '/sensors/0/check: must be left out: SML brings its own check, got an object with 1 key',
  ],
  [
    'a check of nothing',
    withSensor({ check: { type: 'sum8', from: 4, to: 4 } }),
    '/sensors/0/check: must be an object whose check covers something: to, or else at, behind from, got an object with 3 keys',
  ],
  [
    'marks longer than the frame',
    withSensor({ framing: { type: 'fixed', sync: 'hex:aac0', tail: 'hex:abab', length: 3 } }),
    '/sensors/0/framing: must be an object whose sync and tail fit in length, got an object with 4 keys',
  ],
  [
    'a length behind the frame',
    withSensor({ framing: { type: 'length', sync: 'B', lengthAt: 16, lengthType: 'u8', max: 16 } }),
    '/sensors/0/framing: must be an object whose length stands within max bytes, got an object with 5 keys',
  ],
  [
    'a number with a length',
    struct({ at: 0, type: 'u8', length: 2 }),
    '/sensors/0/decode/fields/v/length: must be left out: only bcdbe, bcdle, ascii and hex have a length, and they need one, got 2',
  ],
  [
    'a text without a length',
    struct({ at: 0, type: 'ascii' }),
    '/sensors/0/decode/fields/v/length: must be left out: only bcdbe, bcdle, ascii and hex have a length, and they need one, got nothing',
  ],
  [
    'bits beyond the number',
    struct({ at: 0, type: 'u8', bits: { from: 7, count: 2 } }),
    '/sensors/0/decode/fields/v/bits: must be bits within an unsigned number, got an object with 2 keys',
  ],
  [
    'a poll without a time',
    withSensor({ poll: { write: 'SI\r\n' } }),
    '/sensors/0/poll: must be an object with either every (a duration) or cron, got an object with 1 key',
  ],
  [
    'a poll by a date that never comes',
    withSensor({ poll: { write: 'x', cron: '0 0 31 2 *' } }),
    '/sensors/0/poll/cron: must be a cron expression with a date that comes: the longest of its months has 29 days, got "0 0 31 2 *"',
  ],
  [
    'a step that does nothing',
    withSensor({ init: { steps: [{}] } }),
    '/sensors/0/init/steps/0: must be a step that does something: wait, write, expect or baudRate, got an empty object',
  ],
  [
    'a change of the baud rate over TCP',
    withSensor({ port: { tcp: 'h:1' }, init: { steps: [{ baudRate: 9600 }] } }),
    '/sensors/0/init: must be without a baudRate: over tcp the serial server sets the baud rate, got an object with 1 key',
  ],
  [
    'a handshake over TCP',
    withSensor({ port: { tcp: 'h:1' }, poll: { every: '1m', write: '/?!', handshake: 'iec62056-21' } }),
    '/sensors/0/poll: must be without a handshake: over tcp the serial server sets the baud rate, got an object with 3 keys',
  ],
  [
    'a greatest speed without a handshake',
    withSensor({ poll: { every: '1m', write: 'x', baudRateMax: 9600 } }),
    '/sensors/0/poll/baudRateMax: must be left out: only a handshake has a baudRateMax, got 9600',
  ],
  [
    'a watchdog that does not wait for the next request',
    withSensor({ watchdog: '1m', poll: { every: '1m', write: 'x' } }),
    '/sensors/0/watchdog: must be longer than the time from poll to poll, by cron the longest that comes, got "1m"',
  ],
  [
    'a check beyond a frame of known length',
    withSensor({ framing: { type: 'fixed', sync: 'B', length: 9 }, check: { type: 'sum8', at: 9 } }),
    '/sensors/0/check: must be a check within the length of the frame, got an object with 2 keys',
  ],
  [
    'a field beyond a frame of known length',
    { ...base(), sensors: [{ ...fixedSensor, decode: { type: 'struct', fields: { v: { at: 8, type: 'u16be' } } } }] },
    '/sensors/0/decode: must be fields within the length of the frame, got an object with 2 keys',
  ],
  [
    'a field beyond what the check leaves of the frame',
    { ...base(), sensors: [{ ...fixedSensor, check: { type: 'crc', preset: 'crc-32', strip: true } }] },
    '/sensors/0/decode: must be fields within the length of the frame, got an object with 2 keys',
  ],
  [
    'long frames for a regular expression, by default',
    withSensor({
      framing: { type: 'between', start: 'a', end: 'b' },
      decode: { type: 'regex', pattern: '^(?<ml>x)$' },
    }),
    '/sensors/0/framing/max: must be at most 1024 with a regex decoder, got nothing',
  ],
  [
    'long frames of one length for a regular expression',
    withSensor({
      framing: { type: 'fixed', sync: 'a', length: 4000 },
      decode: { type: 'regex', pattern: '^(?<ml>x)$' },
    }),
    '/sensors/0/framing/length: must be at most 1024 with a regex decoder, got 4000',
  ],
  [
    'an answer on a Modbus bus',
    twoPolls({ event: { stream: 's', type: 't', fields: { v: { from: 'v' } } }, answer: { write: 'x' } }),
    '/sensors/0/routes/0/answer: must be left out: a Modbus bus takes no answers, got an object with 1 key',
  ],
  [
    'a route of a poll that is none',
    twoPolls({ when: { poll: 'c' }, telemetry: { fields: { v: { from: 'v' } } } }),
    '/sensors/0/routes/0/when/poll: must be the name of a poll (a, 1), got "c"',
  ],
  [
    'an event of what two requests bring',
    twoPolls({ event: { stream: 's', type: 't', fields: { v: { from: 'v' }, w: { from: 'w' } } } }),
    '/sensors/0/routes/0/event/fields: must be fields of one poll: each has a record of its own, got an object with 2 keys',
  ],
  [
    'a sample of what another request brings',
    twoPolls({ when: { poll: 1 }, telemetry: { fields: { v: { from: 'v' } } } }),
    '/sensors/0/routes/0/telemetry/fields: must be fields of one poll: each has a record of its own, got an object with 1 key',
  ],
  [
    'an answer in hexadecimal digits, which would be written as they stand',
    withSensor({ routes: [{ ...route, answer: { write: 'hex:06' } }] }),
    '/sensors/0/routes/0/answer/write: must be a text of 1 to 1024 characters without hex:, got "hex:06"',
  ],
  [
    'a gap that holds nothing back',
    telemetryWith({ gap: '5s' }),
    '/sensors/0/routes/0/telemetry/gap: must be left out: it holds back only what onChange or every 0s sends, got "5s"',
  ],
  [
    'a key beside a profile that no sensor has, whatever it is',
    JSON.parse(
      JSON.stringify({ ...base(), sensors: [{ id: 'p', profile: 'dsmr5', port: { path: '/d' }, xx: 1 }] }).replace(
        '"xx"',
        '"__proto__"',
      ),
    ) as Json,
    '/sensors/0/__proto__: must be a known key (id, profile, port, framing, check, decode, init, poll, modbus, staleAfter, watchdog, writes, routes), got the key "__proto__"',
  ],
  [
    'neither decode nor modbus',
    { ...base(), sensors: [{ ...meter }] },
    '/sensors/0/decode: must be an object that says what a frame means, or modbus in its place, got nothing',
  ],
  [
    'modbus beside a decoder',
    { ...base(), sensors: [{ ...meter, decode: { type: 'json' }, modbus: { unit: 1, polls: [poll] } }] },
    '/sensors/0/modbus: must be left out: modbus brings its own framing, check, decode, init and poll, and its line, which may be shared, no watchdog and no writes, got an object with 2 keys',
  ],
  [
    'more registers than a request may name',
    modbus({}, { count: 126 }),
    '/sensors/0/modbus/polls/0/count: must be at most 125 registers or 2000 coils, none beyond address 65535, got 126',
  ],
  [
    'a field beyond what is read',
    modbus({}, { fields: { v: { at: 3, type: 'f32be' } } }),
    '/sensors/0/modbus/polls/0/fields: must be fields within the registers that are read; bit with functions 1 and 2, the others with 3 and 4, got an object with 1 key',
  ],
  [
    'a route that names no field of a poll',
    {
      ...base(),
      sensors: [{ ...meter, modbus: { unit: 1, polls: [{ ...poll, fields: { w: { at: 0, type: 'f32be' } } }] } }],
    },
    '/sensors/0/routes/0/telemetry/fields/v/from: must be a name that the decoder gives (poll, w), got "v"',
  ],
  [
    'two sensors with one unit on one bus',
    { ...base(), sensors: [1, 1].map((unit, at) => ({ ...meter, id: `m${at}`, modbus: { unit, polls: [poll] } })) },
    '/sensors/1/modbus/unit: must be unique on its line, got 1',
  ],
  [
    'a Modbus sensor beside another on one line',
    { ...base(), sensors: [sensor, { ...meter, modbus: { unit: 1, polls: [poll] } }] },
    '/sensors/1/port/path: must be unique: two sensors can not share one line, unless both are modbus, got "/dev/ttyUSB0"',
  ],
  [
    'a profile that is nearly one',
    {
      ...base(),
      sensors: [{ id: 'p', profile: 'dsmr', port: { path: '/d' } }],
    },
    `/sensors/0/profile: must be the name of a profile (${names()}); did you mean dsmr4?, got "dsmr"`,
  ],
  [
    'a mistake in a key over a profile',
    { ...base(), sensors: [{ id: 'p', profile: 'dsmr5', port: { path: '/d' }, framing: { max: 1 } }] },
    '/sensors/0/framing/max: must be a whole number, 16 to 16384, got 1',
  ],
  [
    'two rules for one event',
    eventWith({ every: '15m', onChange: { field: 'volume' } }),
    '/sensors/0/routes/0/event: must be an object with at most one of every, onChange and stable, got an object with 5 keys',
  ],
  [
    'an interval that does not divide the day',
    eventWith({ every: '7m' }),
    '/sensors/0/routes/0/event/every: must be a duration that divides the day, got "7m"',
  ],
  [
    'a rule about a field that is not there',
    eventWith({ onChange: { field: 'weight' } }),
    '/sensors/0/routes/0/event/onChange/field: must be a field of this route, got "weight"',
  ],
  [
    'an answer where not each record is an event',
    eventWith({ every: '15m' }, { answer: { write: 'ACK\n' } }),
    '/sensors/0/routes/0/answer: must be left out: with every, onChange or stable not each record becomes an event, so the sensor would wait for ever, got an object with 1 key',
  ],
  [
    'a step of a register that is none',
    eventWith({ fields: { volume: { from: 'ml', stepMax: '5' } } }),
    '/sensors/0/routes/0/event/fields/volume/stepMax: must be left out: only a monotonic register has a stepMax, got "5"',
  ],
  [
    'two units',
    telemetryWith({ fields: { t: { from: 't', unit: 'Cel', unitFrom: 'u' } } }),
    '/sensors/0/routes/0/telemetry/fields/t: must be an object with at most one of unit and unitFrom, got an object with 3 keys',
  ],
  [
    'a reduction twice',
    telemetryWith({ reduce: ['min', 'min'] }),
    '/sensors/0/routes/0/telemetry/reduce: must be "last", "mean", "min", "max" or "count", or a list of them, each once, got a list of 2',
  ],
  [
    'a change of a field that is not there',
    telemetryWith({ onChange: { x: '1' } }),
    '/sensors/0/routes/0/telemetry/onChange: must be an object whose keys are fields of this route, got an object with 1 key',
  ],
];

function names(): string {
  const quoted = PROFILE_NAMES.map((name) => `"${name}"`);
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

for (const [what, file, told] of MISTAKES) {
  test(`told in one sentence: ${what}`, () => assert.equal(one(file), `device.json ${told}`));
}

test('every profile is a whole sensor once it has an id and a port, a tty or a serial server', () => {
  for (const profile of PROFILE_NAMES) {
    const [parsed] = good({ ...base(), sensors: [{ id: 's', profile, port: { path: '/dev/ttyUSB0' } }] }).sensors;
    assert.ok((parsed?.routes.length ?? 0) > 0, profile);
    if (JSON.stringify(findProfile(profile)).includes('handshake')) continue;
    good({ ...base(), sensors: [{ id: 's', profile, port: { tcp: '127.0.0.1:4001' } }] });
  }
});

test('what a sensor says itself stands in place of its profile, key by key; null takes a key away', () => {
  const [parsed] = good({
    ...base(),
    sensors: [
      {
        id: 's',
        profile: 'dsmr5',
        port: { path: '/d', baudRate: 9600 },
        framing: { max: 2048 },
        check: null,
        routes: [route],
      },
    ],
  }).sensors;
  assert.deepEqual(parsed?.port, {
    kind: 'tty',
    path: '/d',
    baudRate: 9600,
    dataBits: 8,
    parity: 'none',
    stopBits: 1,
  });
  assert.deepEqual(parsed?.framing, { type: 'between', start: '/', end: '!', trailer: 6, max: 2048 });
  assert.equal(parsed?.check, undefined);
  assert.equal(parsed?.routes.length, 1);
});

test('a framing of another type takes nothing from the profile', () => {
  const [parsed] = good({
    ...base(),
    sensors: [{ id: 's', profile: 'dsmr5', port: { path: '/d' }, framing: { type: 'line' } }],
  }).sensors;
  assert.deepEqual(parsed?.framing, { type: 'line', delimiter: '\n', max: 1024 });
});

test('sensors of one Modbus bus share its line, if they agree on its speed', () => {
  const units = (rates: readonly (number | undefined)[]): Json => ({
    ...base(),
    sensors: rates.map((baudRate, at) => ({
      ...meter,
      id: `m${at}`,
      port: { path: '/dev/ttyUSB0', ...(baudRate === undefined ? {} : { baudRate }) },
      modbus: { unit: at + 1, polls: [poll] },
    })),
  });
  assert.equal(good(units([9600, 9600, 9600])).sensors.length, 3);
  assert.equal(good(units([9600, undefined])).sensors.length, 2, 'said, or by default');
  assert.equal(
    one(units([9600, 2400])),
    'device.json /sensors/1/port: must be set as for the other sensors on this line, got an object with 2 keys',
  );
});

test('the words of the configuration are those of the parts that use them', () => {
  assert.deepEqual([...NUMBER_TYPES], [...STRUCT_TYPES]);
  assert.deepEqual(CRC_NAMES.toSorted(), [...CRC_PRESETS].toSorted());
});

test('a route may ask for any name that a decoder gives, and a poll without a name is known by its number', () => {
  good(
    withRoute(
      { when: { '0-0:96.14.0': '0001' }, telemetry: { fields: { t: { from: '1-0:1.7.0' } } } },
      { type: 'obis' },
    ),
  );
  for (const when of [{ poll: 'a' }, {}]) good(twoPolls({ when, telemetry: { fields: { v: { from: 'v' } } } }));
  for (const number of [1, '1']) {
    good(twoPolls({ when: { poll: number }, event: { stream: 's', type: 't', fields: { w: { from: 'w' } } } }));
  }
  good(twoPolls({ telemetry: { fields: { v: { from: 'v' }, w: { from: 'w' } } } }));
});
