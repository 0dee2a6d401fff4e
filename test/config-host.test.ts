/** `host`, `schedule` and `commands` of device.json, and cron expressions held together with node-cron. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { validate } from 'node-cron';
import { COMMAND_NAMES } from '../src/config/command-names.ts';
import { cronFault } from '../src/config/cron-text.ts';
import { base, good, one, sensor } from './config-rig.ts';

test('host gets its defaults, and takes what it is told', () => {
  assert.deepEqual(good({ ...base(), host: {} }).host, {
    every: 60_000,
    metrics: ['cpu', 'memory', 'disk', 'temperature', 'network'],
    encoding: 'json',
  });
  assert.deepEqual(good({ ...base(), host: { every: '5s', metrics: ['disk'] } }).host, {
    every: 5000,
    metrics: ['disk'],
    encoding: 'json',
  });
});

const COMMANDS = COMMAND_NAMES.map((name) => `"${name}"`)
  .join(', ')
  .replace(/, (?="[a-z.]+"$)/, ' or ');

const MISTAKES: readonly (readonly [what: string, change: Record<string, unknown>, told: string])[] = [
  ['host too often', { host: { every: '1s' } }, '/host/every: must be 5s to 1d, got "1s"'],
  [
    'a figure twice',
    { host: { metrics: ['cpu', 'cpu'] } },
    '/host/metrics: must be a list of "cpu", "memory", "disk", "temperature" or "network", each once, got a list of 2',
  ],
  [
    'a sensor by the name of the machine',
    { host: {}, sensors: [{ ...sensor, id: 'host' }] },
    '/sensors/0/id: must be another name: "host" is the machine itself, got "host"',
  ],
  [
    'a minute that is none',
    { schedule: [{ cron: '61 * * * *', command: 'ping' }] },
    '/schedule/0/cron: must be a cron expression whose minute (field 1) is *, 0 to 59, a range, a step or a list of them, got "61 * * * *"',
  ],
  [
    'a field too few',
    { schedule: [{ cron: '0 3 * *', command: 'ping' }] },
    '/schedule/0/cron: must be a cron expression of five fields (minute hour day month weekday), or six with seconds first, got "0 3 * *"',
  ],
  [
    'a time zone that is none',
    { schedule: [{ cron: '0 3 * * *', command: 'ping', timezone: 'Mars/Olympus' }] },
    '/schedule/0/timezone: must be an IANA time zone such as "Europe/Berlin", got "Mars/Olympus"',
  ],
  [
    'a command mistyped',
    { schedule: [{ cron: '0 3 * * *', command: 'status.gte' }] },
    `/schedule/0/command: must be the name of a command, ${COMMANDS} (did you mean status.get?), got "status.gte"`,
  ],
  [
    'a scheduled command that is off',
    { schedule: [{ cron: '0 3 * * *', command: 'ping' }], commands: { ping: 'off' } },
    '/schedule/0/command: must be a command that is on: /commands says "off" of it, got "ping"',
  ],
  [
    'a signed command in the schedule',
    {
      schedule: [{ cron: '0 3 * * *', command: 'ping' }],
      commands: { ping: 'signed' },
      signers: { file: '/etc/fieldpost/allowed_signers' },
    },
    '/schedule/0/command: must be a command that is on: /commands says "signed" of it, got "ping"',
  ],
  [
    'signatures without signers',
    { commands: { 'agent.restart': 'signed' } },
    '/signers: must be given, as in {"file":"/etc/fieldpost/allowed_signers"}: /commands says "signed", got nothing',
  ],
  [
    'answers among what other devices say',
    { topics: { responsePrefix: 'fp/v1/pump-43/up' } },
    '/topics/responsePrefix: must be levels that are not those of the devices, fp/v1, got "fp/v1/pump-43/up"',
  ],
  [
    'answers anywhere',
    { topics: { prefix: 'a/b', responsePrefix: 'a' } },
    '/topics/responsePrefix: must be levels that are not those of the devices, a/b, got "a"',
  ],
  [
    'a word that is no policy',
    { commands: { ping: 'yes' } },
    '/commands/ping: must be "on", "off" or "signed", got "yes"',
  ],
];

for (const [what, change, told] of MISTAKES) {
  test(`told in one sentence: ${what}`, () => assert.equal(one({ ...base(), ...change }), `device.json ${told}`));
}

test('a policy names only commands of this version', () => {
  assert.match(one({ ...base(), commands: { pong: 'on' } }), /\/commands\/pong: .*did you mean ping\?/);
  for (const name of COMMAND_NAMES) good({ ...base(), commands: { [name]: 'on' } });
});

/** Fields as people write them, most of them right. */
const small = fc.integer({ min: 1, max: 7 });
const item = fc.oneof(
  { weight: 6, arbitrary: fc.constant('*') },
  { weight: 6, arbitrary: small.map(String) },
  { weight: 4, arbitrary: fc.tuple(small, small).map(([low, high]) => `${low}-${high}`) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom('*', '1-5', '7'), small).map(([range, step]) => `${range}/${step}`),
  },
  { weight: 1, arbitrary: fc.nat(70).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('mon', 'SUN', 'jan-mar', 'fri-mon', 'mon-fri/2', 'Dec') },
  { weight: 1, arbitrary: fc.constantFrom('L', '?', '5#2', '', '-', '1-', 'xx', '*/0', '*/99', '1-2-3', '5/2') },
);
const field = fc.oneof(
  item,
  fc.array(item, { minLength: 2, maxLength: 3 }).map((items) => items.join(',')),
);
const expression = fc.array(field, { minLength: 5, maxLength: 6 }).map((fields) => fields.join(' '));

test('whatever is taken as a cron expression, node-cron takes too', () => {
  let taken = 0;
  fc.assert(
    fc.property(expression, (text) => {
      if (cronFault(text) !== undefined) return;
      taken += 1;
      assert.ok(validate(text), text);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(taken > 1000, `only ${taken} expressions were sound`);
});

test('a date that never comes is refused, one of a leap year is not', () => {
  for (const text of ['0 3 30 2 *', '0 3 31 4 *', '0 0 31 4,6 mon', '0 0 30-31 feb *', '0 0 0 31 9 *']) {
    assert.match(cronFault(text) ?? '', /a date that comes: the longest of its months has (?:29|30) days$/, text);
    assert.equal(validate(text), false, text);
  }
  for (const text of ['0 3 29 2 *', '0 3 30,1 2 *', '0 3 31 2,3 *', '0 0 */30 2 *', '0 0 31 * *']) {
    assert.equal(cronFault(text), undefined, text);
    assert.ok(validate(text), text);
  }
});

test('the expressions of the handbook are taken', () => {
  for (const text of [
    '* * * * *',
    '0 3 * * *',
    '*/15 * * * *',
    '0 0 1,15 * *',
    '30 6 * jan-mar mon-fri',
    '*/5 0-30/2 1-5 * * 7',
  ]) {
    assert.equal(cronFault(text), undefined, text);
  }
});
