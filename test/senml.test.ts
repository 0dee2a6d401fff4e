/** Samples as SenML (RFC 8428), in JSON and CBOR (RFC 8949): the words of the standards, and a pack over a real broker. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Child } from '../src/workbench/child.ts';
import { type CborValue, encodeCbor } from '../src/telemetry/cbor.ts';
import { encodeSenmlCbor, encodeSenmlJson } from '../src/telemetry/senml.ts';
import type { SampledReading } from '../src/telemetry/sample-window.ts';
import { good, one, withSensor } from './config-rig.ts';
import { setStage } from './agent/stage.ts';
import { until } from './rig/wait.ts';

const hex = (value: CborValue): string => encodeCbor(value).toString('hex');

test('CBOR is as in the examples of RFC 8949, appendix A', () => {
  const examples: readonly (readonly [CborValue, string])[] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [1000, '1903e8'],
    [1_000_000, '1a000f4240'],
    [1_000_000_000_000, '1b000000e8d4a51000'],
    [-1, '20'],
    [-100, '3863'],
    [-1000, '3903e7'],
    [1.1, 'fb3ff199999999999a'],
    [3.4028234663852886e38, 'fa7f7fffff'],
    [1e300, 'fb7e37e43c8800759c'],
    [-4.1, 'fbc010666666666666'],
    [false, 'f4'],
    [true, 'f5'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['\u6c34', '63e6b0b4'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [new Map([]), 'a0'],
    [
      new Map([
        [1, 2],
        [3, 4],
      ]),
      'a201020304',
    ],
    [Array.from({ length: 25 }, (_, at) => at + 1), '98190102030405060708090a0b0c0d0e0f101112131415161718181819'],
  ];
  for (const [value, wanted] of examples) assert.equal(hex(value), wanted, JSON.stringify(value));
  assert.equal(hex(-0), 'fa80000000');
});

test('a pack in CBOR begins as that of RFC 8428, section 6', () => {
  const pack: CborValue = [
    new Map<number, CborValue>([
      [-2, 'urn:dev:ow:10e2073a0108006:'],
      [-3, 1276020076.001],
      [-4, 'A'],
      [-1, 5],
      [0, 'voltage'],
      [1, 'V'],
      [2, 120.1],
    ]),
    new Map<number, CborValue>([
      [0, 'current'],
      [6, -5],
      [2, 1.2],
    ]),
  ];
  const wanted =
    'a721781b75726e3a6465763a6f773a31306532303733613031303830303 63a22fb41d303a15b0010622361412005' +
    '0067766f6c746167650161 5602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333';
  assert.equal(hex(pack), `82${wanted.replaceAll(' ', '')}`);
});

const READINGS: readonly SampledReading[] = [
  { name: 'temp', value: 21.5, unit: 'Cel', atMs: 1000 },
  { name: 'mode', value: 'eco', unit: undefined, atMs: 1000 },
  { name: 'on', value: true, unit: undefined, atMs: 3250 },
];
const STAMP = { sensor: 'pump', wallMs: Date.UTC(2026, 10, 23, 16), monotonicMs: 5000, clock: 'synced' } as const;
const parsed = (payload: Buffer): unknown => JSON.parse(payload.toString());

test('a pack has the time of its oldest reading as base, and texts and booleans under their own labels', () => {
  assert.deepEqual(parsed(encodeSenmlJson('pump-42', READINGS, STAMP)), [
    { bn: 'pump-42/pump/', bt: 1795449596, n: 'temp', u: 'Cel', v: 21.5 },
    { n: 'mode', vs: 'eco' },
    { n: 'on', vb: true, t: 2.25 },
  ]);
  const cbor = encodeSenmlCbor('pump-42', READINGS, STAMP).toString('hex');
  assert.equal(
    cbor,
    '83a5216d70756d702d34322f70756d702f221a6b0462fc006474656d70016343656c02fa41ac0000' +
      'a200646d6f6465036365636fa300626f6e04f506fa40100000',
  );
});

test('without a clock a pack gives ages in place of times, which SenML counts from now', () => {
  const pack = parsed(encodeSenmlJson('-x', READINGS, { ...STAMP, clock: 'unknown' })) as object[];
  assert.deepEqual(pack[0], { bn: 'id:-x/pump/', n: 'temp', u: 'Cel', v: 21.5, t: -4 });
  assert.deepEqual(pack[2], { n: 'on', vb: true, t: -1.75 });
});

test('the encoding is chosen route by route, and a word that is none is told', () => {
  const route = (encoding: unknown): object => ({
    ...withSensor({ routes: [{ telemetry: { encoding, fields: { temp: { from: 't' } } } }] }),
  });
  const { routes } = good(route('senml-cbor')).sensors[0] ?? { routes: [] };
  assert.equal(routes[0]?.kind === 'telemetry' && routes[0].telemetry.encoding, 'senml-cbor');
  assert.equal(
    one(route('cbor')),
    'device.json /sensors/0/routes/0/telemetry/encoding: must be "json", "senml-json" or "senml-cbor", got "cbor"',
  );
});

test('a SenML pack in CBOR reaches a consumer over MQTT 5 with its content type', async (t) => {
  const stage = await setStage(t);
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as {
    sensors: [{ routes: { telemetry?: object }[] }];
  };
  for (const route of document.sensors[0].routes) {
    if (route.telemetry !== undefined) route.telemetry = { ...route.telemetry, encoding: 'senml-cbor', every: '0s' };
  }
  await writeFile(stage.config, JSON.stringify(document));
  const topic = 'fp/v1/pump-42/up/telemetry/pump';
  const witness = new Child({
    command: 'mosquitto_sub',
    args: [...stage.consumerArgs, '-V', '5', '-t', topic, '-C', '1', '-W', '30', '-F', '%C %x'],
  });
  t.after(() => witness.kill9());
  await until(() => stage.broker.log.some((said) => said.endsWith(topic)), 'the subscription', 15_000);
  stage.agent.start();
  // Samples are not kept for a broker that is not there yet.
  await stage.agent.child.line(/broker connected/, 15_000);
  await stage.meter('{"k":"t","t":20.5}');
  assert.equal((await witness.exited).code, 0, witness.lastWords());
  const [type, payload = ''] = witness.outLines.join('').split(' ');
  assert.equal(type, 'application/senml+cbor');
  assert.match(payload, /^81a5216d70756d702d34322f70756d702f22(?:fb.{16}|1a.{8})006474656d70016343656c02fa41a40000$/);
});
