/** device.json: what is taken, with which defaults and units, and what each mistake is told as. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { CONFIG_BYTES_MAX, parseDeviceConfig, parseDeviceConfigBytes, parseDeviceValue } from '../src/config/parse.ts';
import { bad, base, good, type Json, one, route, sensor, withBroker, withRoute, withSensor } from './config-rig.ts';

const ROOT = resolve(import.meta.dirname, '..');

test('the smallest configuration gets every default, durations as milliseconds and sizes as bytes', () => {
  assert.deepEqual(good(base()), {
    device: { id: 'pump-42', groups: [], groupSpread: 10_000 },
    topics: { prefix: 'fp/v1' },
    broker: {
      urls: ['mqtts://broker.example'],
      protocol: 5,
      returnAfter: 600_000,
      keepAlive: 30_000,
      sessionExpiry: 604_800_000,
      willDelay: 10_000,
      heartbeat: 60_000,
      window: 32,
      connectTimeout: 10_000,
      tls: { ca: '/ca.pem' },
      allowPlain: false,
    },
    ledger: {
      dir: '/var/lib/fieldpost/ledger',
      maxBytes: 256 * 1024 * 1024,
      retain: 2_592_000_000,
      segmentBytes: 4 * 1024 * 1024,
      commitWindow: 0,
      receipts: false,
      sign: false,
    },
    sensors: [],
    schedule: [],
    commands: {},
    remote: { allow: [], pin: [] },
    log: { level: 'info' },
  });
});

test('a sensor gets its defaults and its port in the words of the ports', () => {
  const [parsed] = good({ ...base(), sensors: [sensor] }).sensors;
  assert.deepEqual(parsed, {
    id: 'pump',
    port: { kind: 'tty', path: '/dev/ttyUSB0', baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 },
    framing: { type: 'line', delimiter: '\n', max: 1024 },
    decode: { type: 'json' },
    routes: [
      {
        kind: 'event',
        when: {},
        event: { stream: 'sale', type: 'sale', fields: { volume: { from: 'ml', as: 'decimal' } } },
      },
    ],
  });
  const tcp = (at: string): unknown => good(withSensor({ port: { tcp: at } })).sensors[0]?.port;
  assert.deepEqual(tcp('10.0.0.7:3001'), { kind: 'tcp', host: '10.0.0.7', port: 3001 });
  assert.deepEqual(tcp('[fe80::1]:3001'), { kind: 'tcp', host: 'fe80::1', port: 3001 });
});

test('a telemetry route gets its defaults, and an answer stays with its event', () => {
  const telemetry = { fields: { temp: { from: 't', unit: 'Cel', min: -40, max: 85, scale: '0.1' } } };
  const config = good(withSensor({ routes: [{ telemetry }, { ...route, answer: { write: 'ACK {seq}\n' } }] }));
  const [first, second] = config.sensors[0]?.routes ?? [];
  assert.deepEqual(first, {
    kind: 'telemetry',
    when: {},
    telemetry: { every: 10_000, reduce: 'last', encoding: 'json', ...telemetry },
  });
  assert.ok(second?.kind === 'event');
  assert.deepEqual(second.answer, { write: 'ACK {seq}\n' });
});

test('an unknown key is told with the nearest known one, at any depth', () => {
  const hint = (value: unknown): string | undefined => bad(value)[0]?.hint;
  assert.equal(hint(withBroker({ keepAilve: '30s' })), 'did you mean `keepAlive`?');
  assert.equal(hint(withSensor({ port: { path: '/d', baudrate: 9600 } })), 'did you mean `baudRate`?');
  assert.equal(hint({ ...base(), sensor: [] }), 'did you mean `sensors`?');
  assert.equal(hint({ ...base(), zzzz: 1 }), undefined);
  assert.equal(bad({ ...base(), 'a/b~c': 1 })[0]?.pointer, '/a~1b~0c');
});

test('two sensors share neither id nor line', () => {
  const twin = (change: Json): unknown => ({ ...base(), sensors: [sensor, { ...sensor, ...change }] });
  assert.equal(one(twin({ port: { path: '/dev/other' } })), 'device.json /sensors/1/id: must be unique, got "pump"');
  assert.equal(
    one(twin({ id: 'other' })),
    'device.json /sensors/1/port/path: must be unique: two sensors can not share one line, unless both are modbus, got "/dev/ttyUSB0"',
  );
});

test('a name that the decoder does not give is found wherever a route uses it', () => {
  const csv = { type: 'csv', columns: ['boot', 'seq', 'volume', 'kind'] };
  const full = {
    when: { kind: 'S' },
    event: { ...route.event, dedupe: { epoch: 'boot', seq: 'seq' }, fields: { volume: { from: 'volume' } } },
    answer: { write: '{"ack":{seq}, "x":{}}\n' },
  };
  good(withRoute(full, csv));
  const wrong = {
    when: { knd: 'S' },
    event: { ...full.event, dedupe: { epoch: 'bot', seq: 'sq' }, fields: { volume: { from: 'volme' } } },
    answer: { write: 'ACK {sek}' },
  };
  const problems = bad(withRoute(wrong, csv));
  const start = '/sensors/0/routes/0';
  assert.deepEqual(
    problems.map(({ pointer, hint }) => [pointer, hint]),
    [
      [`${start}/answer/write`, 'did you mean `seq`?'],
      [`${start}/event/dedupe/epoch`, 'did you mean `boot`?'],
      [`${start}/event/dedupe/seq`, 'did you mean `seq`?'],
      [`${start}/event/fields/volume/from`, 'did you mean `volume`?'],
      [`${start}/when/knd`, 'did you mean `kind`?'],
    ],
  );
  const regex = { type: 'regex', pattern: '^(?<weight>[\\d.]+) (?<unit>\\w+)$' };
  assert.equal(bad(withRoute(wrong, regex)).length, 5);
});

test('plain connections are taken on this machine, and elsewhere only when asked for', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]', 'LOCALHOST']) {
    good({ ...base(), broker: { urls: [`mqtt://${host}:1883`, `ws://${host}:8080/mqtt`] } });
  }
  good({ ...base(), broker: { urls: ['mqtt://broker.example'], allowPlain: true } });
});

test('a pre-shared key takes the place of the authority, and a file may be a credential of systemd', () => {
  good({ ...base(), broker: { urls: ['mqtts://b'], tls: { psk: { keyFile: 'cred:device.psk' } } } });
  const tls = { ca: '/ca.pem', cert: 'cred:client.pem', key: 'cred:client.key' };
  good({ ...base(), broker: { urls: ['wss://b/mqtt'], tls, username: 'u', passwordFile: 'cred:password' } });
});

test('all problems come at once, also from parts that are broken in themselves', () => {
  const pointers = bad({
    device: { id: '' },
    broker: { urls: ['mqtts://b'], keepAlive: '1ms', keepalive: 1, window: 'many' },
    ledger: {},
    sensors: [{ ...sensor, port: 3, routes: [{}, 7] }, sensor],
    remote: 7,
  }).map((problem) => problem.pointer);
  assert.deepEqual(
    new Set(pointers),
    new Set([
      '/broker/keepalive',
      '/broker/keepAlive',
      '/broker/tls',
      '/broker/window',
      '/device/id',
      '/ledger/dir',
      '/remote',
      '/sensors/0/port',
      '/sensors/0/routes/0',
      '/sensors/0/routes/1',
      '/sensors/1/id',
    ]),
  );
});

test('whatever the value, the parser judges it and does not throw', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void parseDeviceConfig(JSON.stringify(value))));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void parseDeviceConfigBytes(bytes)));
});

test('whatever is broken in a sound file, the parser judges it and does not throw', () => {
  const text = readFileSync(join(ROOT, 'device.json'), 'utf8');
  const spot = fc.nat(text.length - 1);
  fc.assert(
    fc.property(spot, fc.nat(20), fc.string(), (start, count, put) => {
      parseDeviceConfig(text.slice(0, start) + put + text.slice(start + count));
    }),
    { numRuns: 500 },
  );
  const value = JSON.parse(text) as Json;
  const paths = pathsOf(value);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, put) => {
      parseDeviceValue(replaced(value, path, put));
    }),
    { numRuns: 1000 },
  );
});

test('the shipped device.json is sound', () => {
  const result = parseDeviceConfigBytes(readFileSync(join(ROOT, 'device.json')));
  assert.ok(result.ok);
  assert.equal(result.config.sensors[0]?.id, 'pump');
});

test('a file that is too large is refused before it is parsed', () => {
  const result = parseDeviceConfigBytes(Buffer.alloc(CONFIG_BYTES_MAX + 1, 0x20));
  assert.ok(!result.ok);
  assert.deepEqual(result.problems, [
    { pointer: '', found: `${CONFIG_BYTES_MAX + 1} bytes`, expected: `at most ${CONFIG_BYTES_MAX} bytes` },
  ]);
});

test('the committed JSON Schema is what the code makes', () => {
  const made = spawnSync(process.execPath, ['--import', 'tsx', '.ci/schema.ts', '--check'], { cwd: ROOT });
  assert.equal(made.status, 0, made.stderr.toString());
});

function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], put: unknown): unknown {
  if (key === undefined) return put;
  const copy: Json = structuredClone(value) as Json;
  copy[key] = replaced(copy[key], rest, put);
  return copy;
}
