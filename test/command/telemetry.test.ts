/** `telemetry.pause`, `telemetry.resume`: no samples for a while, events all the same, and an end that comes by itself. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { topicsOf } from '../../src/broker/topics.ts';
import { TelemetryPauses } from '../../src/command/telemetry.ts';
import { parseJson } from '../../src/platform/json.ts';
import { systemCron } from '../../src/platform/cron.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { HostSensor } from '../../src/telemetry/host-sensor.ts';
import { samplesFactory } from '../../src/telemetry/samples.ts';
import { HandClock, HandLedger, HandLine, keptMemory, KeptSamples, pumpConfig, sale } from '../sensor-rig.ts';
import { keptLog, type LogLine } from '../serial-rig.ts';
import { type Ask, asker, timeAfter } from './asker.ts';

const topics = topicsOf('fp/v1', 'pump-42');

interface Bench {
  readonly clock: HandClock;
  readonly line: HandLine;
  readonly ledger: HandLedger;
  readonly samples: KeptSamples;
  readonly log: LogLine[];
  readonly sensor: Sensor;
  readonly told: string[];
  readonly ask: Ask;
  readonly pauses: TelemetryPauses;
}

/** The pump's sensor, with samples every 5 s, and the machine's own, every 10 s. */
function bench(t: TestContext): Bench {
  const [clock, line, ledger, samples] = [new HandClock(), new HandLine(), new HandLedger(), new KeptSamples()];
  const [log, told]: [LogLine[], string[]] = [[], []];
  ledger.always = { kind: 'accepted', seq: 1 };
  const ports = { clock, log: keptLog(log), samples, topics };
  const sensor: Sensor = new Sensor({
    ...ports,
    config: pumpConfig({ kind: 'tcp', host: '127.0.0.1', port: 1 }),
    parseJson,
    createLine: line.create,
    createSamples: samplesFactory(ports),
    events: ledger,
    cron: systemCron,
    memory: keptMemory(),
    busOf: () => assert.fail('no Modbus here'),
    onState: () => told.push(sensor.state().telemetry_paused_until ?? 'goes on'),
  });
  const read = { read: () => Promise.resolve([{ name: 'cpu_load', value: 0.1, unit: '/' }]) };
  const host = new HostSensor({ ...ports, config: { every: 10_000, metrics: ['cpu'] }, host: read });
  t.after(() => sensor.stop());
  t.after(() => host.stop());
  sensor.start();
  host.start();
  told.length = 0;
  const pauses = new TelemetryPauses({ ...ports, sources: [sensor, host] });
  return {
    clock,
    line,
    ledger,
    samples,
    log,
    sensor,
    told,
    pauses,
    ask: asker(pauses.commands),
  };
}

const sentOf = ({ samples }: Bench, sensor: string): number =>
  samples.sent.filter(({ topic }) => topic.endsWith(`/${sensor}`)).length;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a paused sensor sends what waited, then nothing, then goes on by itself; its events are not paused', async (t) => {
  const at = bench(t);
  const { clock, line, ledger, sensor, ask } = at;
  line.say({ k: 't', t: 20 });
  assert.deepEqual(await ask('telemetry.pause', { sensor: 'pump', for: '10m' }), {
    paused: [{ sensor: 'pump', until: timeAfter(600_000) }],
  });
  assert.equal(sentOf(at, 'pump'), 1);
  assert.deepEqual(at.told.slice(-1), [timeAfter(600_000)]);
  for (let minute = 0; minute < 9; minute += 1) {
    line.say({ k: 't', t: 21 });
    line.say(sale(minute));
    clock.pass(60_000);
  }
  assert.deepEqual([sentOf(at, 'pump'), ledger.drafts.length], [1, 9]);
  assert.equal(sensor.state().telemetry_paused_until, timeAfter(600_000));
  assert.equal(sensor.counters.samplesDropped, 0);
  clock.pass(60_000);
  assert.equal(sensor.state().telemetry_paused_until, undefined);
  assert.deepEqual(at.told.slice(-1), ['goes on']);
  line.say({ k: 't', t: 22 });
  clock.pass(5000);
  assert.equal(sentOf(at, 'pump'), 2);
  assert.deepEqual(
    at.log.map(({ sentence }) => sentence).filter((sentence) => sentence.startsWith('telemetry')),
    ['telemetry paused by command', 'telemetry goes on'],
  );
});

test('without a sensor all are paused, the machine itself too, and resumed one by one or together', async (t) => {
  const at = bench(t);
  const { clock, ask } = at;
  const until = timeAfter(86_400_000);
  assert.deepEqual(await ask('telemetry.pause', { for: '1d' }), {
    paused: [
      { sensor: 'pump', until },
      { sensor: 'host', until },
    ],
  });
  clock.pass(60_000);
  await turn();
  assert.equal(sentOf(at, 'host'), 0);
  assert.deepEqual(await ask('telemetry.resume', { sensor: 'host' }), { paused: [{ sensor: 'pump', until }] });
  clock.pass(10_000);
  await turn();
  assert.equal(sentOf(at, 'host'), 1);
  assert.deepEqual(await ask('telemetry.resume'), { paused: [] });
  assert.deepEqual(await ask('telemetry.resume'), { paused: [] });
});

test('a second pause takes the place of the first', async (t) => {
  const { clock, ask, sensor } = bench(t);
  await ask('telemetry.pause', { sensor: 'pump', for: '10m' });
  await ask('telemetry.pause', { sensor: 'pump', for: '20m' });
  clock.pass(600_000);
  assert.equal(sensor.state().telemetry_paused_until, timeAfter(1_200_000));
  clock.pass(600_000);
  assert.equal(sensor.state().telemetry_paused_until, undefined);
});

test('a pause without an end, of no sensor, or longer than a day is refused', async (t) => {
  const { ask } = bench(t);
  const expected = 'must be a duration such as "10m", 1s to 1d';
  assert.equal(await ask('telemetry.pause', {}), 'args/for: must be given');
  for (const wrong of ['25h', '0s', '10', 'ever', '-5s', '1e3s']) {
    assert.equal(await ask('telemetry.pause', { for: wrong }), `args/for: ${expected}, got ${JSON.stringify(wrong)}`);
  }
  assert.equal(await ask('telemetry.pause', { for: 600 }), 'args/for: must be string, got 600');
  assert.equal(
    await ask('telemetry.pause', { sensor: 'p1', for: '5m' }),
    'there is no sensor p1; there are pump, host',
  );
  assert.match(String(await ask('telemetry.resume', { for: '5m' })), /args\/for: must be left out/);
});

test("a pause ends with the agent, and without a word: the sensors may be the next agent's by then", async (t) => {
  const { clock, ask, told, log, pauses } = bench(t);
  await ask('telemetry.pause', { sensor: 'pump', for: '10m' });
  const before = [told.length, log.length];
  pauses.stop();
  clock.pass(3_600_000);
  assert.deepEqual([told.length, log.length], before);
});
