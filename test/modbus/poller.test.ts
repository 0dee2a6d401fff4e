/** When a sensor's polls are asked, what becomes of their answers, and how a unit that does not answer is treated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cron } from '../../src/ports.ts';
import type { ModbusConfig, ModbusPoll } from '../../src/sensor/config.ts';
import { modbusRecord } from '../../src/sensor/decode-modbus.ts';
import { ModbusPoller } from '../../src/sensor/modbus-poller.ts';
import { answerModbus, type ModbusUnits, tableOf } from '../../src/workbench/modbus-server.ts';
import { keptLog, type LogLine } from '../serial-rig.ts';
import { type Sent, SimulatedBus } from './simulated-bus.ts';

/** 230.2 V and 1.5 A as floats from 0 on, and two states. */
const METER = {
  inputRegisters: tableOf(0, [0x4366, 0x3333, 0x3fc0, 0x0000]),
  discreteInputs: tableOf(0, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
};
const UNITS: ModbusUnits = new Map([[1, METER]]);
const soon = (request: Buffer): readonly Sent[] => [
  { afterMs: 20, bytes: answerModbus(UNITS, request) ?? Buffer.alloc(0) },
];

const POWER: ModbusPoll = {
  every: 1000,
  fc: 4,
  at: 0,
  count: 4,
  fields: { voltage: { at: 0, type: 'f32be' }, current: { at: 2, type: 'f32be' } },
};
const STATES: ModbusPoll = {
  every: 5000,
  fc: 2,
  at: 0,
  count: 10,
  fields: { open: { at: 8, type: 'bit' }, full: { at: 9, type: 'bit' } },
};

interface Poller {
  readonly poller: ModbusPoller;
  /** `<time>: <what>` since the first up. */
  readonly heard: string[];
  readonly cronRuns: (() => void)[];
  readonly log: LogLine[];
}

function pollerOn(line: SimulatedBus, change: Partial<ModbusConfig> = {}, fails = false): Poller {
  const heard: string[] = [];
  const cronRuns: (() => void)[] = [];
  const log: LogLine[] = [];
  const startMs = line.clock.monotonicMs();
  const hear = (what: string): void =>
    void heard.push(`${Math.floor((line.clock.monotonicMs() - startMs) / 100) / 10} ${what}`);
  const cron: Cron = {
    schedule: (_, __, run) => {
      if (fails) return Promise.reject(new Error('no such time'));
      cronRuns.push(run);
      return Promise.resolve({ cancel: () => void cronRuns.splice(0) });
    },
  };
  const poller = new ModbusPoller({
    sensor: 'meter',
    config: { unit: 1, timeout: 500, retries: 2, polls: [POWER], ...change },
    bus: line.bus,
    clock: line.clock,
    cron,
    log: keptLog(log),
    onUp: () => hear('up'),
    onDown: (why) => hear(`down: ${why}`),
    onRecord: (record) => hear([...record].map(([name, { text }]) => `${name}=${text}`).join(' ')),
    onBad: (reason) => hear(reason),
  });
  return { poller, heard, cronRuns, log };
}

test('polls are asked at once, then on a steady beat, one after the other', async () => {
  const line = new SimulatedBus(soon);
  const { poller, heard } = pollerOn(line, { polls: [{ ...POWER, every: 2000 }, STATES] });
  poller.start();
  await line.pass(6500);
  assert.deepEqual(heard, [
    '0 up',
    '0 voltage=230.2 current=1.5',
    '0 open=true full=false',
    '2 voltage=230.2 current=1.5',
    '4 voltage=230.2 current=1.5',
    '5 open=true full=false',
    '6 voltage=230.2 current=1.5',
  ]);
  assert.equal(poller.counters.pollsSkipped, 0);
  assert.equal(poller.counters.frames, 6);
});

test('a named poll says so in its records; a field that is no number is left out, and none at all is no record', () => {
  const registers = Buffer.from('7fc0000043663333', 'hex');
  const fields = { one: { at: 10, type: 'f32be' }, two: { at: 12, type: 'f32be' } } as const;
  const poll: ModbusPoll = { name: 'fast', fc: 3, at: 10, count: 4, fields };
  assert.deepEqual(
    [...(modbusRecord(poll, registers) ?? [])],
    [
      ['two', { kind: 'number', text: '230.2' }],
      ['poll', { kind: 'text', text: 'fast' }],
    ],
  );
  assert.equal(modbusRecord({ ...poll, fields: { one: fields.one } }, registers), undefined);
});

test('a poll that takes longer than its beat skips beats and is never asked twice at a time', async () => {
  const line = new SimulatedBus((request) => [
    { afterMs: 450, bytes: answerModbus(UNITS, request) ?? Buffer.alloc(0) },
  ]);
  const { poller, heard } = pollerOn(line, { polls: [{ ...POWER, every: 200 }] });
  poller.start();
  await line.pass(1900);
  assert.deepEqual(
    line.requests.map(({ atMs }) => Math.round((atMs - (line.requests[0]?.atMs ?? 0)) / 100)),
    [0, 6, 12, 18],
  );
  assert.equal(heard.length, 4);
  assert.equal(poller.counters.pollsSkipped, 6);
});

test('a unit that does not answer is asked without retries, rests ever longer, and one answer ends that', async () => {
  let isDead = true;
  const line = new SimulatedBus((request) => (isDead ? [] : soon(request)));
  const { poller, heard } = pollerOn(line, {
    polls: [POWER, { ...POWER, at: 2, count: 2, fields: { current: { at: 2, type: 'f32be' } } }],
  });
  poller.start();
  await line.pass(240_000);
  const times = line.requests.map(({ atMs }) => Math.round((atMs - (line.requests[0]?.atMs ?? 0)) / 1000));
  // Three requests of the first read, then one each, when the owed answers can not come any more; after the third read
  // rests of 5, 10, 20, 40, 60 and 60 s.
  assert.deepEqual(times, [0, 1, 1, 6, 8, 14, 25, 46, 87, 148, 209]);
  isDead = false;
  const before = heard.length;
  await line.pass(65_000);
  assert.match(heard[before] ?? '', /voltage=230.2/);
  assert.match(heard[before + 1] ?? '', /current=1.5/);
  const asked = line.requests.length;
  await line.pass(10_000);
  assert.equal(line.requests.length - asked, 20);
});

test('a dead unit does not keep its neighbour from its beat', async () => {
  const line = new SimulatedBus(soon);
  const dead = pollerOn(line, { unit: 9 });
  const alive = pollerOn(line);
  dead.poller.start();
  alive.poller.start();
  await line.pass(60_500);
  const answers = alive.heard.filter((what) => what.includes('voltage')).length;
  // Three time-outs of half a second at first: one beat may be lost to them.
  assert.ok(answers >= 60, `${answers}`);
});

test('an exception is told by name and is a sign of life', async () => {
  const line = new SimulatedBus(soon);
  const { poller, heard } = pollerOn(line, { polls: [{ ...POWER, at: 3 }] });
  poller.start();
  await line.pass(10_500);
  assert.equal(heard.filter((what) => what.endsWith('exception 2: illegal data address')).length, 11);
  assert.equal(poller.counters.exceptions, 11);
});

test('a poll by the clock is asked at its times only, also of a unit that rests', async () => {
  let isDead = true;
  const line = new SimulatedBus((request) => (isDead ? [] : soon(request)));
  const daily: ModbusPoll = {
    cron: '0 0 * * *',
    fc: 4,
    at: 0,
    count: 2,
    fields: { midnight: { at: 0, type: 'f32be' } },
  };
  const { poller, heard, cronRuns } = pollerOn(line, { polls: [POWER, daily] });
  poller.start();
  await line.pass(30_000);
  isDead = false;
  const before = heard.length;
  cronRuns[0]?.();
  await line.pass(100);
  assert.match(heard[before] ?? '', /midnight=230.2/);
  await poller.stop();
  assert.equal(cronRuns.length, 0);
});

test('a time of the clock that came while the line was down is asked for once it is up', async () => {
  const line = new SimulatedBus(soon);
  const daily: ModbusPoll = { ...POWER, every: undefined, cron: '0 0 * * *' };
  const { poller, heard, cronRuns } = pollerOn(line, { polls: [daily] });
  poller.start();
  await line.pass(100);
  assert.equal(line.requests.length, 0);
  line.lose();
  cronRuns[0]?.();
  cronRuns[0]?.();
  line.replug();
  await line.pass(100);
  assert.equal(line.requests.length, 1);
  assert.equal(poller.counters.pollsSkipped, 1);
  line.lose();
  line.replug();
  await line.pass(100);
  assert.equal(line.requests.length, 1, heard.join('\n'));
  await poller.stop();
});

test('a schedule that can not be made is told', async () => {
  const line = new SimulatedBus(soon);
  const { poller, log } = pollerOn(line, { polls: [{ ...POWER, every: undefined, cron: 'never' }] }, true);
  poller.start();
  await line.pass(10);
  assert.deepEqual(
    log.map(({ sentence, fields }) => [sentence, fields['reason']]),
    [['poll has no schedule', 'no such time']],
  );
});

test('after a stop nothing is asked or told, and no timer is left', async () => {
  const line = new SimulatedBus(soon);
  const { poller, heard } = pollerOn(line);
  poller.start();
  await line.pass(1005);
  await poller.stop();
  const [told, asked] = [heard.length, line.requests.length];
  await line.pass(5000);
  assert.deepEqual([heard.length, line.requests.length, line.clock.timers], [told, asked, 0]);
});

test('a lost line is told, asks nothing, and the beat begins anew when it is up again', async () => {
  const line = new SimulatedBus(soon);
  const { poller, heard } = pollerOn(line);
  poller.start();
  await line.pass(1500);
  line.lose();
  await line.pass(3000);
  assert.match(heard.at(-1) ?? '', /down: unplugged/);
  const asked = line.requests.length;
  line.replug();
  await line.pass(100);
  assert.equal(line.requests.length, asked + 1);
  assert.match(heard.at(-1) ?? '', /4.5 voltage=230.2/);
});
