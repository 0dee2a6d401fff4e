/** `serial.write`: templates and nothing else, between the requests of a line that the test holds, and on a real terminal. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { topicsOf } from '../../src/broker/topics.ts';
import { serialWriteCommand } from '../../src/command/serial-write.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemCron } from '../../src/platform/cron.ts';
import { parseJson } from '../../src/platform/json.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import type { SensorConfig } from '../../src/sensor/config.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { renderWrite } from '../../src/sensor/write-template.ts';
import { lineFactory } from '../../src/serial/line.ts';
import { LineTaps } from '../../src/serial/line-taps.ts';
import { samplesFactory } from '../../src/telemetry/samples.ts';
import { one, withSensor } from '../config-rig.ts';
import { HandLedger, keptMemory, KeptSamples } from '../sensor-rig.ts';
import { keptLog, ptyFor, ttySpec, until } from '../serial-rig.ts';
import { asker } from './asker.ts';

const WRITES: NonNullable<SensorConfig['writes']> = {
  reset: { write: 'RST\n', values: {}, timeout: 2000 },
  level: {
    write: 'SET {level} {mode}\n',
    values: { level: { min: 0, max: 100, decimals: 1 }, mode: { oneOf: ['AUTO', 'MAN'] } },
    expect: 'OK\n',
    timeout: 2000,
  },
  deaf: { write: 'hex:00 ff', values: {}, expect: 'NEVER', timeout: 60 },
};

/** `answer`: what the device says to a line that it hears. */
async function bench(t: TestContext, more: Partial<SensorConfig>, answer: (heard: string) => string | undefined) {
  const pty = await ptyFor(t);
  const samples = new KeptSamples();
  const heard: string[] = [];
  let [held, asked] = ['', ''];
  pty.onBytes((bytes) => {
    held += bytes.toString('latin1');
    asked += bytes.toString('latin1');
    for (let end = held.indexOf('\n'); end !== -1; end = held.indexOf('\n')) {
      heard.push(held.slice(0, end));
      held = held.slice(end + 1);
      const said = answer(heard.at(-1) ?? '');
      if (said !== undefined) pty.write(said).catch(() => undefined);
    }
  });
  const port = ttySpec(pty.path);
  const config: SensorConfig = {
    id: 'scale',
    port,
    framing: { type: 'line', delimiter: '\n', max: 64 },
    decode: { type: 'json' },
    routes: [{ telemetry: { every: 0, reduce: 'last', fields: { weight: { from: 'w' } } } }],
    writes: WRITES,
    ...more,
  };
  const taps = new LineTaps(lineOpener(systemClock));
  const ports = { clock: systemClock, chance: systemChance, log: keptLog([]), cron: systemCron, parseJson };
  const sensor = new Sensor({
    ...ports,
    config,
    createLine: lineFactory({ ...ports, opener: taps }),
    createSamples: samplesFactory({ ...ports, samples, topics: topicsOf('fp/v1', 'x') }),
    events: new HandLedger(),
    memory: keptMemory(),
    busOf: () => assert.fail('no Modbus here'),
  });
  t.after(() => sensor.stop());
  const command = serialWriteCommand({
    clock: systemClock,
    sensors: [sensor],
    tap: (_id, take) => taps.tap(port, take),
  });
  const ask = asker([command]);
  const write = (template: string, values?: object): Promise<unknown> =>
    ask('serial.write', { sensor: 'scale', template, ...(values === undefined ? {} : { values }) });
  return { sensor, pty, samples, heard, asked: () => asked, ask, write };
}

async function openBench(...args: Parameters<typeof bench>) {
  const made = await bench(...args);
  made.sensor.start();
  await until(() => made.sensor.state().state === 'stale', 'the line to be open');
  return made;
}

test('a template is written as it stands, with its values in their bounds and form', async (t) => {
  const { write, heard, samples, pty } = await openBench(t, {}, (line) =>
    line.startsWith('SET') ? '{"w":5}\nOK\n' : undefined,
  );
  assert.deepEqual(await write('reset'), { sensor: 'scale', template: 'reset', written: 4 });
  const answer = await write('level', { level: 5, mode: 'MAN' });
  assert.deepEqual(answer, {
    sensor: 'scale',
    template: 'level',
    written: 12,
    answer: Buffer.from('{"w":5}\nOK\n').toString('base64'),
  });
  assert.deepEqual(heard, ['RST', 'SET 5.0 MAN']);
  // The decoder has what came meanwhile.
  await pty.write('{"w":6}\n');
  await until(() => samples.sent.length === 2, 'both readings');
});

test('nothing else is written, whatever is asked for', async (t) => {
  const { write, ask, asked } = await openBench(t, {}, () => undefined);
  assert.equal(await write('format'), 'scale has no such template; there are reset, level, deaf');
  assert.match(String(await write('toString')), /no such template/);
  assert.equal(await write('level', { level: 5 }), 'mode must be one of "AUTO", "MAN"');
  assert.equal(await write('level', { level: 5, mode: 'MAN\nRST' }), 'mode must be one of "AUTO", "MAN"');
  const level = 'level must be a number with at most 1 decimals, 0 to 100';
  for (const wrong of [100.1, -1, 0.25, '5', '5\n', 1e21]) {
    assert.equal(await write('level', { level: wrong, mode: 'MAN' }), level, String(wrong));
  }
  assert.equal(await write('reset', { x: 1 }), 'the template has no value "x"');
  assert.match(String(await ask('serial.write', { sensor: 'scale', template: 'reset', bytes: 'x' })), /left out/);
  assert.match(
    String(await ask('serial.write', { sensor: 'scale', template: 'level', values: { level: {} } })),
    /values/,
  );
  assert.equal(asked(), '');
});

test('an answer that does not come is told, and what is not open is not written to', async (t) => {
  const { write, asked, sensor } = await openBench(t, {}, () => undefined);
  assert.equal(await write('deaf'), 'written, and the answer did not come within 60 ms');
  await until(() => asked().length >= 2, 'the bytes');
  assert.equal(Buffer.from(asked(), 'latin1').toString('hex'), '00ff');
  await sensor.stop();
  assert.match(String(await write('reset')), /the line is not open/);
});

test('a write waits for the answer to a request, and the next request for the answer to the write', async (t) => {
  let answerPoll = (): void => undefined;
  const order: string[] = [];
  const poll = { write: 'ASK\n', every: 50, timeout: 5000, retries: 0 };
  const { write, heard, pty } = await openBench(t, { poll }, (line) => {
    order.push(line);
    if (line === 'ASK') answerPoll = () => void pty.write('{"w":7}\n');
    if (line.startsWith('SET')) setTimeout(() => void pty.write('OK\n'), 150);
    return undefined;
  });
  await until(() => heard.includes('ASK'), 'a request');
  const written = write('level', { level: 1, mode: 'AUTO' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(heard, ['ASK'], 'the write came between a request and its answer');
  answerPoll();
  await written;
  assert.deepEqual(order.slice(0, 2), ['ASK', 'SET 1.0 AUTO']);
  await until(() => order.length >= 3, 'the next request');
  assert.equal(order[2], 'ASK');
});

test('whatever the values, what is rendered is a text of the list or a number in its bounds', () => {
  const template = WRITES['level'] ?? assert.fail();
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (level, mode) => {
      const rendered = renderWrite(template, { level, mode });
      if (rendered.kind === 'bytes') assert.match(rendered.bytes.toString(), /^SET \d{1,3}\.\d (?:AUTO|MAN)\n$/);
    }),
  );
  assert.equal(
    renderWrite(template, JSON.parse('{"__proto__":{"level":1,"mode":"MAN"}}') as object as never).kind,
    'mistake',
  );
});

test('templates are judged: every name has its bounds, hex has none, and a Modbus sensor no templates', () => {
  const writes = (template: object): unknown => withSensor({ writes: { t: template } });
  const told = (template: object): string => one(writes(template)).replace('device.json /sensors/0/writes/', '');
  const names = 't/values: must be the values of the names in {braces} of write, and no others; hex: has none';
  assert.match(told({ write: 'SET {x}' }), new RegExp(names.replaceAll(/[{}]/g, '.')));
  assert.match(told({ write: 'hex:00', values: { x: { oneOf: ['1'] } } }), /hex: has none/);
  assert.match(
    told({ write: 'SET {x}', values: { x: {} } }),
    /t\/values\/x: must be an object with either oneOf, or min and max/,
  );
  assert.match(told({ write: 'SET {x}', values: { x: { min: 2, max: 1 } } }), /min at most max/);
  assert.match(told({ write: 'SET {x}', values: { x: { oneOf: ['a\n'] } } }), /printable ASCII/);
});
