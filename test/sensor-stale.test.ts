/** How long a sensor that is asked by the clock may be silent before it is called stale. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { topicsOf } from '../src/broker/topics.ts';
import { parseJson } from '../src/platform/json.ts';
import type { Cron } from '../src/ports.ts';
import type { SensorConfig } from '../src/sensor/config.ts';
import { Sensor } from '../src/sensor/sensor.ts';
import type { ModbusMember, ModbusOutcome } from '../src/serial/modbus-bus.ts';
import { samplesFactory } from '../src/telemetry/samples.ts';
import { HandClock, HandLedger, HandLine, keptMemory, KeptSamples, pumpConfig } from './sensor-rig.ts';
import { keptLog, ttySpec } from './serial-rig.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ASK = { write: '?', timeout: 1000, retries: 0 };
const READING = '{"k":"t","t":20}';

/** Node's timers end at 24 days, and what is longer is over at once, again and again. */
class BoundedClock extends HandClock {
  override after(ms: number, run: () => void): { cancel(): void } {
    assert.ok(ms < 2 ** 31, `a timer of ${ms} ms`);
    return super.after(ms, run);
  }
}

function bench(t: TestContext, config: Partial<SensorConfig>, gaps: Readonly<Record<string, number>>) {
  const [line, clock] = [new HandLine(), new BoundedClock()];
  const now = { ...gaps };
  const cron: Cron = {
    schedule: (expression) => Promise.resolve({ cancel: () => undefined, gapMs: () => now[expression] }),
  };
  const none = { bytes: 0, frames: 0, discardedBytes: 0, oversize: 0, checkErrors: 0, reopens: 0, openFailures: 0 };
  const counters = { ...none, exceptions: 0, timeouts: 0, garbled: 0, retries: 0 };
  const read = (): Promise<ModbusOutcome> =>
    Promise.resolve({ kind: 'answer', registers: Buffer.from('43663333', 'hex'), frame: Buffer.alloc(9) });
  const sensor = new Sensor({
    config: { ...pumpConfig(ttySpec('/d')), ...config },
    clock,
    cron,
    log: keptLog([]),
    parseJson,
    createLine: line.create,
    createSamples: samplesFactory({ clock, samples: new KeptSamples(), topics: topicsOf('fp/v1', 'd') }),
    events: new HandLedger(),
    memory: keptMemory(),
    busOf: () => ({
      join: (member: ModbusMember) => ({ counters, read, stop: () => Promise.resolve(), start: () => member.up() }),
    }),
  });
  t.after(() => sensor.stop());
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  const pass = async (ms: number): Promise<void> => {
    clock.pass(ms);
    await settle();
  };
  return { sensor, line, clock, pass, now };
}

test('a sensor that is asked each quarter by the clock is stale when two quarters brought nothing, not before', async (t) => {
  const { sensor, line, pass } = bench(t, { poll: { ...ASK, cron: '*/15' } }, { '*/15': 15 * MINUTE_MS });
  sensor.start();
  await pass(ASK.timeout);
  line.say(READING);
  await pass(29 * MINUTE_MS);
  assert.equal(sensor.state().state, 'ok');
  await pass(MINUTE_MS);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['stale', 'no reading for 1800 s']);
});

test('an answer that comes before the schedule is made counts for its time as well', async (t) => {
  const { sensor, line, clock, pass } = bench(t, { poll: { ...ASK, cron: '*/15' } }, { '*/15': 15 * MINUTE_MS });
  sensor.start();
  clock.pass(ASK.timeout);
  line.say(READING);
  await pass(20 * MINUTE_MS);
  assert.equal(sensor.state().state, 'ok');
});

test('a sensor that is asked by day alone is not stale in the night, and soon stale by day', async (t) => {
  const { sensor, line, pass, now } = bench(t, { poll: { ...ASK, cron: '8-18' } }, { '8-18': HOUR_MS });
  sensor.start();
  await pass(ASK.timeout);
  line.say(READING);
  await pass(119 * MINUTE_MS);
  now['8-18'] = 14 * HOUR_MS;
  line.say(READING);
  await pass(14 * HOUR_MS);
  assert.equal(sensor.state().state, 'ok');
  now['8-18'] = HOUR_MS;
  line.say(READING);
  await pass(2 * HOUR_MS);
  assert.equal(sensor.state().state, 'stale');
});

test('a sensor that is asked once a month is stale after two, and its clock waits for that in steps', async (t) => {
  const { sensor, line, pass } = bench(t, { poll: { ...ASK, cron: 'monthly' } }, { monthly: 31 * DAY_MS });
  sensor.start();
  await pass(ASK.timeout);
  line.say(READING);
  await pass(61 * DAY_MS);
  assert.equal(sensor.state().state, 'ok');
  await pass(DAY_MS);
  assert.equal(sensor.state().state, 'stale');
});

test('of the polls of a Modbus unit the most frequent counts, by the clock or on a beat', async (t) => {
  const poll = { fc: 4 as const, at: 0, count: 2, fields: { v: { at: 0, type: 'f32be' as const } } };
  // Only the one on a beat is asked here, at the start.
  const polls = [
    { ...poll, every: 6 * HOUR_MS },
    { ...poll, cron: 'hourly' },
    { ...poll, cron: 'daily' },
  ];
  const modbus = { unit: 1, timeout: 500, retries: 0, polls };
  const { sensor, pass } = bench(t, { modbus }, { hourly: HOUR_MS, daily: DAY_MS });
  sensor.start();
  await pass(ASK.timeout);
  await pass(119 * MINUTE_MS);
  assert.equal(sensor.state().state, 'ok');
  await pass(MINUTE_MS);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['stale', 'no reading for 7200 s']);
});

test('where staleAfter is given it counts alone', async (t) => {
  const { sensor, line, pass } = bench(
    t,
    { poll: { ...ASK, cron: 'daily' }, staleAfter: MINUTE_MS },
    { daily: DAY_MS },
  );
  sensor.start();
  await pass(ASK.timeout);
  line.say(READING);
  await pass(MINUTE_MS);
  assert.equal(sensor.state().state, 'stale');
});
