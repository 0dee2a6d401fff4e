/** A sensor that must be started, asked, or waked: on real ptys, with a device of the test behind them. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { topicsOf } from '../src/broker/topics.ts';
import { systemChance } from '../src/platform/chance.ts';
import { systemClock } from '../src/platform/clock.ts';
import { systemCron } from '../src/platform/cron.ts';
import { parseJson } from '../src/platform/json.ts';
import { lineOpener } from '../src/platform/lines.ts';
import type { Pty } from '../src/platform/pty.ts';
import { lineHint } from '../src/sensor/hint.ts';
import { planReadOut } from '../src/sensor/iec-handshake.ts';
import type { SensorConfig } from '../src/sensor/config.ts';
import { Sensor } from '../src/sensor/sensor.ts';
import { lineFactory } from '../src/serial/line.ts';
import type { ModbusMember, ModbusOutcome } from '../src/serial/modbus-bus.ts';
import { samplesFactory } from '../src/telemetry/samples.ts';
import { HandClock, HandLedger, HandLine, keptMemory, KeptSamples } from './sensor-rig.ts';
import { keptLog, type LogLine, ptyFor, ttySpec, until } from './serial-rig.ts';

interface Bench {
  readonly sensor: Sensor;
  readonly pty: Pty;
  readonly samples: KeptSamples;
  readonly log: LogLine[];
  /** What the agent has written so far. */
  readonly asked: () => string;
}

const weights: Pick<SensorConfig, 'framing' | 'decode' | 'routes'> = {
  framing: { type: 'line', delimiter: '\r\n', max: 64 },
  decode: { type: 'regex', pattern: '^S (?<status>[SD]) +(?<weight>-?[0-9.]+) (?<unit>[a-z]+)$' },
  routes: [{ telemetry: { every: 0, reduce: 'last', fields: { weight: { from: 'weight', unitFrom: 'unit' } } } }],
};

/** `answer`: what the device says to what it hears; it hears in pieces, so it gets all that came since its last answer. */
async function bench(
  t: TestContext,
  config: Partial<SensorConfig>,
  answer: (heard: string) => string | undefined,
): Promise<Bench> {
  const pty = await ptyFor(t);
  const [samples, log] = [new KeptSamples(), [] as LogLine[]];
  let [asked, heard] = ['', ''];
  pty.onBytes((bytes) => {
    asked += bytes.toString('latin1');
    heard += bytes.toString('latin1');
    const said = answer(heard);
    if (said === undefined) return;
    heard = '';
    say(pty, said);
  });
  const clock = systemClock;
  const sensor = new Sensor({
    config: {
      id: 'scale',
      ...weights,
      ...config,
      port: { ...ttySpec(pty.path), ...config.port },
    },
    clock,
    cron: systemCron,
    log: keptLog(log),
    parseJson,
    createLine: lineFactory({ opener: lineOpener(clock), clock, chance: systemChance, log: keptLog(log) }),
    createSamples: samplesFactory({ clock, samples, topics: topicsOf('fp/v1', 'd') }),
    events: new HandLedger(),
    memory: keptMemory(),
    busOf: () => assert.fail('no Modbus here'),
  });
  t.after(() => sensor.stop());
  sensor.start();
  return { sensor, pty, samples, log, asked: () => asked };
}

/** What can not be written any more goes to a line that was closed. */
function say(pty: Pty, text: string): void {
  pty.write(Buffer.from(text, 'latin1')).catch(() => undefined);
}

function first(samples: KeptSamples): unknown {
  const [sample] = samples.sent;
  return (sample?.body['readings'] as readonly unknown[] | undefined)?.[0];
}

const lineOf = (heard: string, wanted: string, said: string): string | undefined =>
  heard.endsWith(wanted) ? said : undefined;

test('a device that must be asked is asked on its beat, and the unit is the one in its answer', async (t) => {
  const { sensor, samples, asked } = await bench(
    t,
    { poll: { every: 50, write: 'SI\r\n', timeout: 2000, retries: 0 } },
    (heard) => lineOf(heard, 'SI\r\n', 'S S     12.345 kg\r\n'),
  );
  await until(() => samples.sent.length >= 3, 'three weights');
  assert.deepEqual(first(samples), ['weight', 12.345, 'kg', 0]);
  assert.equal(sensor.state().state, 'ok');
  assert.equal(sensor.counters.silences, 0);
  assert.ok(sensor.counters.requests >= 3);
  assert.equal(asked(), 'SI\r\n'.repeat(asked().length / 4));
});

test('a device that does not answer is asked again, is told as an error, and is well again with its first answer', async (t) => {
  let speaks = false;
  const { sensor, log } = await bench(t, { poll: { every: 50, write: 'SI\r\n', timeout: 30, retries: 1 } }, (heard) =>
    speaks ? lineOf(heard, 'SI\r\n', 'S S 1 kg\r\n') : undefined,
  );
  await until(() => sensor.state().state === 'error', 'the error');
  assert.equal(
    sensor.state().why,
    'the device does not answer: nothing comes: check wiring, power, and whether and how the device must be asked',
  );
  assert.ok(sensor.counters.silences >= 6, JSON.stringify(sensor.counters));
  assert.ok(
    log.some(({ sentence, fields }) => /no answer/.test(sentence) && fields['reason'] === 'no answer within 30 ms'),
  );
  speaks = true;
  await until(() => sensor.state().state === 'ok', 'the first answer');
});

test('a slow device is asked less often, never twice at a time', async (t) => {
  let [open, most] = [0, 0];
  const { samples, pty } = await bench(
    t,
    { poll: { every: 50, write: 'SI\r\n', timeout: 5000, retries: 0 } },
    (heard) => {
      if (!heard.endsWith('SI\r\n')) return undefined;
      open += heard.length / 4;
      most = Math.max(most, open);
      setTimeout(() => {
        open = 0;
        say(pty, 'S S 1 kg\r\n');
      }, 180);
      return '';
    },
  );
  await until(() => samples.sent.length >= 3, 'three weights');
  assert.equal(most, 1);
});

test('a device is given its time and its words before anything is read or asked', async (t) => {
  const { samples, asked, pty } = await bench(
    t,
    {
      init: {
        settle: 150,
        steps: [
          { write: '@\r\n', expect: 'I4 A', timeout: 5000 },
          { write: 'hex:53 0d 0a', timeout: 1000 },
        ],
      },
      poll: { every: 50, write: 'SI\r\n', timeout: 2000, retries: 0 },
    },
    (heard) => lineOf(heard, '@\r\n', 'I4 A "0"\r\n') ?? lineOf(heard, 'SI\r\n', 'S S 2 kg\r\n'),
  );
  // What a board prints while it starts is no reading.
  await pty.write('S S 99 kg\r\n');
  await until(() => samples.sent.length > 0, 'a weight');
  assert.match(asked(), /^@\r\nS\r\n(?:SI\r\n)+$/);
  assert.ok(samples.sent.every(({ body }) => (body['readings'] as unknown[][])[0]?.[1] === 2));
});

test('a device that can not be initialised is told, and its line is opened again', async (t) => {
  let speaks = false;
  const { sensor, samples, log } = await bench(
    t,
    {
      init: { settle: 0, steps: [{ write: '@\r\n', expect: 'I4 A', timeout: 40 }] },
      poll: { every: 50, write: 'SI\r\n', timeout: 2000, retries: 0 },
    },
    (heard) => (speaks ? lineOf(heard, '@\r\n', 'I4 A "0"\r\n') : undefined) ?? lineOf(heard, 'SI\r\n', 'S S 2 kg\r\n'),
  );
  await until(() => sensor.counters.reopens >= 2, 'the line to be opened again');
  assert.match(sensor.state().why, /could not be initialised: no answer "I4 A" within 40 ms/);
  assert.equal(samples.sent.length, 0);
  assert.ok(log.some(({ sentence }) => sentence.startsWith('device not initialised')));
  speaks = true;
  await until(() => samples.sent.length > 0, 'a weight');
});

test('a line that brings nothing good for the time of its watchdog is opened again', async (t) => {
  const { sensor, pty } = await bench(t, { watchdog: 100 }, () => undefined);
  await until(() => sensor.counters.watchdog >= 1 && sensor.counters.reopens >= 1, 'the watchdog');
  const before = sensor.counters.watchdog;
  for (let at = 0; at < 8; at += 1) {
    await pty.write('S S 1 kg\r\n');
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  assert.ok(sensor.counters.watchdog <= before + 1, 'good readings keep it still');
});

test('IEC 62056-21: the meter names its speed, both change to it, and the block is a frame like any other', async (t) => {
  const data = '1.8.0(000123.456*kWh)\r\n!\r\n\x03';
  const bcc = Buffer.from(data).reduce((sum, byte) => sum ^ byte, 0);
  const block = `\x02${data}${String.fromCharCode(bcc)}`;
  const { samples, asked } = await bench(
    t,
    {
      port: { baudRate: 300 } as SensorConfig['port'],
      framing: { type: 'between', start: 'hex:02', end: 'hex:03', trailer: 1, max: 1024 },
      check: { type: 'xor8', from: 1, at: -1, as: 'be', strip: false, invert: false },
      decode: { type: 'obis' },
      poll: { every: 100, write: '/?!\r\n', timeout: 5000, retries: 0, handshake: 'iec62056-21', baudRateMax: 4800 },
      routes: [{ telemetry: { every: 0, reduce: 'last', fields: { import: { from: '1.8.0', unit: 'kWh' } } } }],
    },
    // An optical head gives back what it is sent.
    (heard) => lineOf(heard, '/?!\r\n', '/?!\r\n/ABC5METER\r\n') ?? lineOf(heard, '\x06040\r\n', block),
  );
  await until(() => samples.sent.length >= 2, 'two read-outs');
  assert.deepEqual(first(samples), ['import', 123.456, 'kWh', 0]);
  assert.match(asked(), /^(?:\/\?!\r\n\x06040\r\n)+/);
});

test('the identification line says how to go on', () => {
  const c = (digit: string, baudRate: number): object => ({
    acknowledge: Buffer.from(`\x060${digit}0\r\n`),
    baudRate,
  });
  assert.deepEqual(planReadOut('/ISK5MT174-0001\r\n', 19_200), c('5', 9600));
  assert.deepEqual(planReadOut('/ISK6MT174-0001\r\n', 9600), c('5', 9600));
  assert.deepEqual(planReadOut('/ISK0MT174-0001\r\n', 9600), c('0', 300));
  assert.deepEqual(planReadOut('/ISKDMT174-0001\r\n', 300), { acknowledge: undefined, baudRate: 4800 });
  assert.deepEqual(planReadOut('/ISKFMT174-0001\r\n', 300), { acknowledge: undefined, baudRate: 19_200 });
  assert.equal(planReadOut('/ISK MT174-0001\r\n', 9600), undefined);
  assert.equal(planReadOut('rubbish', 9600), undefined);
});

test('bytes without a reading are told as what they look like', () => {
  const port = { ...ttySpec('/d'), baudRate: 9600 } as SensorConfig['port'];
  const text = Buffer.from('/ISK5MT174-0001 1.8.0(00123.456*kWh)\r\n'.repeat(3));
  const parity = (even: number): Buffer =>
    text.map((byte) => {
      const ones = byte.toString(2).replaceAll('0', '').length;
      return ones % 2 === even ? byte | 0x80 : byte;
    }) as Buffer;
  const noise = Buffer.from(Array.from({ length: 200 }, (_, at) => (at * 89 + 131) & 0xff));
  assert.equal(
    lineHint(Buffer.from(parity(1)), port, 'obis'),
    'the bytes look like 7 data bits with even parity: set dataBits 7 and parity "even"',
  );
  assert.equal(
    lineHint(Buffer.from(parity(0)), port, 'obis'),
    'the bytes look like 7 data bits with odd parity: set dataBits 7 and parity "odd"',
  );
  assert.match(
    lineHint(noise, port, 'obis') ?? '',
    /^\d+ % of the bytes are no text: check baud rate and parity \(now 9600 Bd\)$/,
  );
  assert.match(lineHint(Buffer.alloc(64, 0xff), port, 'struct') ?? '', /^nearly all bytes are 00 or ff/);
  assert.equal(lineHint(text, port, 'obis'), 'the bytes are readable text: check framing, check and decode');
  assert.match(lineHint(Buffer.alloc(0), port, 'obis') ?? '', /^nothing comes/);
  assert.equal(lineHint(noise, port, 'struct'), undefined);
});

interface HandBench {
  readonly sensor: Sensor;
  readonly line: HandLine;
  readonly log: LogLine[];
  /** Lets time pass, in steps, with all that was promised in between. */
  readonly pass: (ms: number) => Promise<void>;
}

/** A sensor, its line and its clock in the test's hand; on Modbus each read brings `outcome`. */
function handBench(
  t: TestContext,
  config: Partial<SensorConfig>,
  outcome: ModbusOutcome = { kind: 'down' },
): HandBench {
  const [line, clock, log] = [new HandLine(), new HandClock(), [] as LogLine[]];
  const none = { bytes: 0, frames: 0, discardedBytes: 0, oversize: 0, checkErrors: 0, reopens: 0, openFailures: 0 };
  const counters = { ...none, exceptions: 0, timeouts: 0, garbled: 0, retries: 0 };
  const seat = { counters, stop: () => Promise.resolve(), read: () => Promise.resolve(outcome) };
  const sensor = new Sensor({
    config: { id: 'scale', port: ttySpec('/d'), ...weights, ...config },
    clock,
    cron: systemCron,
    log: keptLog(log),
    parseJson,
    createLine: line.create,
    createSamples: samplesFactory({ clock, samples: new KeptSamples(), topics: topicsOf('fp/v1', 'd') }),
    events: new HandLedger(),
    memory: keptMemory(),
    busOf: () => ({ join: (member: ModbusMember) => ({ ...seat, start: () => member.up() }) }),
  });
  t.after(() => sensor.stop());
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.pass(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { sensor, line, log, pass };
}

test('a device that answers every other time is told in the log at most once a minute', async (t) => {
  const { sensor, line, log, pass } = handBench(t, { poll: { every: 1000, write: 'SI', timeout: 100, retries: 0 } });
  sensor.start();
  await pass(100);
  for (let at = 0; at < 50; at += 1) {
    if (at % 2 === 0) line.say('S S 1 kg');
    await pass(1000);
  }
  assert.equal(sensor.counters.silences, 25);
  assert.equal(log.length, 1);
});

test('a device that has given readings and falls silent is not told by its last good bytes', async (t) => {
  const { sensor, line, pass } = handBench(t, { poll: { every: 1000, write: 'SI', timeout: 100, retries: 0 } });
  sensor.start();
  await pass(100);
  line.say('S S 1 kg');
  await pass(5000);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['error', 'the device does not answer']);
});

test('a device that is asked seldom is not stale before it is asked again', async (t) => {
  const { sensor, line, pass } = handBench(t, { poll: { every: 600_000, write: 'SI', timeout: 100, retries: 0 } });
  sensor.start();
  await pass(100);
  line.say('S S 1 kg');
  await pass(599_000);
  assert.equal(sensor.state().state, 'ok');
  await pass(601_000);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['stale', 'no reading for 1200 s']);
});

test('a Modbus unit that answers no is told with what it says', async (t) => {
  const polls = [{ every: 1000, fc: 4 as const, at: 0, count: 2, fields: { v: { at: 0, type: 'f32be' as const } } }];
  const { sensor, pass } = handBench(
    t,
    { modbus: { unit: 1, timeout: 100, retries: 0, polls } },
    { kind: 'exception', code: 2, why: 'illegal data address' },
  );
  sensor.start();
  await pass(5000);
  assert.deepEqual([sensor.state().state, sensor.state().why], ['error', 'exception 2: illegal data address']);
});
