/** `sensor.list`, `sensor.read`, `sensor.restart`, on sensors whose line and clock are in the test's hand. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { topicsOf } from '../../src/broker/topics.ts';
import { sensorsCommands } from '../../src/command/sensors.ts';
import { parseJson } from '../../src/platform/json.ts';
import { systemCron } from '../../src/platform/cron.ts';
import { Sensor, type SensorOptions } from '../../src/sensor/sensor.ts';
import { samplesFactory } from '../../src/telemetry/samples.ts';
import { HandClock, HandLedger, HandLine, keptMemory, KeptSamples, pumpConfig, sale } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';
import { SimulatedBus } from '../modbus/simulated-bus.ts';
import { type Ask, asker, timeAfter } from './asker.ts';

interface Bench {
  readonly clock: HandClock;
  readonly line: HandLine;
  readonly ledger: HandLedger;
  readonly sensor: Sensor;
  readonly ask: Ask;
}

function bench(t: TestContext, options: Partial<SensorOptions> = {}): Bench {
  const [clock, line, ledger, samples] = [new HandClock(), new HandLine(), new HandLedger(), new KeptSamples()];
  const sensor = new Sensor({
    config: pumpConfig({ kind: 'tcp', host: '127.0.0.1', port: 1 }),
    clock,
    log: keptLog([]),
    parseJson,
    createLine: line.create,
    createSamples: samplesFactory({ clock, samples, topics: topicsOf('fp/v1', 'pump-42') }),
    events: ledger,
    cron: systemCron,
    memory: keptMemory(),
    busOf: () => assert.fail('no Modbus here'),
    ...options,
  });
  t.after(() => sensor.stop());
  sensor.start();
  const ask = asker(sensorsCommands([sensor], () => ({ port: { tcp: '127.0.0.1:1' }, profile: 'pump' })));
  return { clock, line, ledger, sensor, ask };
}

test('sensor.list says how each sensor does, where it is, and by which profile', async (t) => {
  const { ask, line } = bench(t);
  line.say({ k: 't', t: 20.5 });
  assert.deepEqual(await ask('sensor.list'), {
    sensors: [
      {
        id: 'pump',
        state: 'ok',
        why: 'reading',
        since: timeAfter(0),
        last_good: timeAfter(0),
        port: { tcp: '127.0.0.1:1' },
        profile: 'pump',
      },
    ],
  });
  assert.match(String(await ask('sensor.list', { sensor: 'pump' })), /args\/sensor: must be left out/);
});

test('sensor.read answers with the newest value of each name as the sensor wrote it, each with its own age', async (t) => {
  const { ask, line, clock, ledger } = bench(t);
  line.say('{"k":"t","t":20.50}');
  clock.pass(3000);
  ledger.always = { kind: 'accepted', seq: 1 };
  line.say(sale(7));
  const answer = (await ask('sensor.read', { sensor: 'pump' })) as Record<string, unknown>;
  const values = answer['values'] as Record<string, unknown>[];
  assert.deepEqual(values[0], { name: 'k', kind: 'string', text: 'sale', at: timeAfter(3000), age_ms: 0 });
  assert.deepEqual(values[1], { name: 't', kind: 'number', text: '20.50', at: timeAfter(0), age_ms: 3000 });
  assert.deepEqual(
    values.map(({ name }) => name),
    ['k', 't', 'boot', 'seq', 'ml'],
  );
  const counters = answer['counters'] as Record<string, number>;
  assert.deepEqual([counters['noEvent'], counters['invalid']], [0, 0]);
});

test('what sensor.read keeps is bounded: 64 names, 64 letters each', async (t) => {
  const { ask, line } = bench(t);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`n${at}`, 'v'.repeat(100)]));
  line.say({ ['x'.repeat(65)]: 1, ...many });
  line.say({ n5: 'é'.repeat(70), n99: 1 });
  const { values } = (await ask('sensor.read', { sensor: 'pump' })) as { values: { name: string; text: string }[] };
  assert.equal(values.length, 64);
  assert.ok(values.every(({ name, text }) => name.startsWith('n') && text.length === 64));
  assert.equal(values.find(({ name }) => name === 'n5')?.text, 'é'.repeat(64));
});

test('names that do not come again give way to those that do', async (t) => {
  const { ask, line, clock } = bench(t);
  line.say(Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`noise${at}`, 1])));
  clock.pass(1);
  line.say({ k: 't', t: 20.5 });
  const { values } = (await ask('sensor.read', { sensor: 'pump' })) as { values: { name: string; text: string }[] };
  assert.deepEqual([values.length, values.at(-1)?.name, values.at(-1)?.text], [64, 't', '20.5']);
});

test('a sensor that there is not is named, with those that there are', async (t) => {
  const { ask } = bench(t);
  for (const command of ['sensor.read', 'sensor.restart']) {
    assert.equal(await ask(command, { sensor: 'pumpe' }), 'there is no sensor pumpe; there are pump');
    assert.equal(await ask(command), 'args/sensor: must be given');
    assert.equal(await ask(command, { sensor: '../x' }), 'args/sensor: must be the id of a sensor, got "../x"');
    assert.equal(await ask(command, { sensor: 5 }), 'args/sensor: must be string, got 5');
  }
  assert.equal(
    await asker(sensorsCommands([], () => ({})))('sensor.read', { sensor: 'x' }),
    'there is no sensor x; this device has none',
  );
});

test('sensor.restart closes the line and opens it again, once for those who ask at the same time', async (t) => {
  const starts: string[] = [];
  let isOver = false;
  const closings: (() => void)[] = [];
  const closed = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    for (const close of closings.splice(0)) close();
  };
  const line = new HandLine();
  const { ask, sensor } = bench(t, {
    createLine: (spec) => ({
      ...line.create(spec),
      start: () => {
        starts.push('opened');
        spec.events.up(line.generation);
      },
      stop: () => {
        starts.push('closing');
        return isOver ? Promise.resolve() : new Promise((resolve) => closings.push(resolve));
      },
    }),
  });
  line.say({ k: 't', t: 1 });
  const answers = [ask('sensor.restart', { sensor: 'pump' }), ask('sensor.restart', { sensor: 'pump' })];
  await closed();
  assert.deepEqual(await Promise.all(answers), [{ sensor: 'pump' }, { sensor: 'pump' }]);
  assert.deepEqual(starts, ['opened', 'closing', 'opened']);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['stale', 'no reading since the line was opened']);
  // A sensor that is being stopped is not started by a restart that is under way.
  const late = ask('sensor.restart', { sensor: 'pump' });
  const stopped = sensor.stop();
  await closed();
  await Promise.all([late, stopped]);
  assert.equal(starts.filter((what) => what === 'opened').length, 2);
  isOver = true;
});

test('sensor.restart of a Modbus sensor leaves the bus and joins it again; the others on it notice nothing', async (t) => {
  const far = new SimulatedBus(() => []);
  const heard: string[] = [];
  const other = far.bus.join({ up: () => heard.push('up'), down: (why) => heard.push(why) });
  other.start();
  const poll = { fc: 3 as const, at: 0, count: 1, every: 1000, fields: { power: { at: 0, type: 'u16be' as const } } };
  const { ask, sensor } = bench(t, {
    clock: far.clock,
    busOf: () => far.bus,
    config: {
      ...pumpConfig({ kind: 'tty', path: '/dev/ttyUSB0', baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 }),
      modbus: { unit: 1, timeout: 100, retries: 0, polls: [poll] },
    },
  });
  await far.pass(500);
  assert.equal(far.requests.length, 1);
  assert.deepEqual(await ask('sensor.restart', { sensor: 'pump' }), { sensor: 'pump' });
  assert.equal(sensor.state().why, 'no reading since the line was opened');
  await far.pass(3000);
  assert.ok(far.requests.length >= 2);
  assert.deepEqual(heard, ['up']);
});
