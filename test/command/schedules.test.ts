/** `schedule.list`, `schedule.run`: what the device gives itself to do, and an entry now. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule, type ScheduleEntry } from '../../src/command/schedule.ts';
import { scheduleCommands } from '../../src/command/schedules.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemCron } from '../../src/platform/cron.ts';
import type { Cron, StateStore } from '../../src/ports.ts';
import { HandClock } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';
import { type Ask, asker, notWanted, timeAfter } from './asker.ts';

interface Bench {
  readonly clock: HandClock;
  readonly schedule: Schedule;
  readonly ran: (readonly [command: string, args: unknown, id: string])[];
  /** What cron would run at the entries' times. */
  readonly fall: (() => void)[];
  readonly ask: Ask;
}

async function bench(entries: readonly ScheduleEntry[], fails = false): Promise<Bench> {
  const clock = new HandClock();
  const ran: [string, unknown, string][] = [];
  const fall: (() => void)[] = [];
  const cron: Cron = {
    schedule: (_, __, run) => {
      if (fails) return Promise.reject(new Error('no such zone'));
      fall.push(run);
      return Promise.resolve({ cancel: () => undefined, nextMs: () => clock.wallMs() + 5000 });
    },
  };
  const desk = {
    runScheduled: (command: string, args: unknown, id: string): Promise<void> => {
      ran.push([command, args, id]);
      return Promise.resolve();
    },
  };
  const state: StateStore = { open: () => assert.fail('nothing is kept') };
  const schedule = new Schedule({ entries, cron, clock, log: keptLog([]), desk, chance: systemChance, state });
  await schedule.start();
  return { clock, schedule, ran, fall, ask: asker(scheduleCommands(() => schedule)) };
}

const PING: ScheduleEntry = { cron: '0 3 * * *', timezone: 'Europe/Berlin', command: 'ping' };
const READ: ScheduleEntry = { cron: '*/5 * * * *', command: 'sensor.read', args: { sensor: 'pump' } };

test('schedule.list names each entry, when it runs next, when it ran last and what became of it', async () => {
  const { ask, fall, clock, schedule } = await bench([PING, READ]);
  const next = timeAfter(5000);
  assert.deepEqual(await ask('schedule.list'), {
    schedule: [
      { index: 0, ...PING, next },
      { index: 1, ...READ, next },
    ],
  });
  fall[1]?.();
  const id = `schedule.1.${clock.wallMs()}`;
  const rows = async (): Promise<unknown> => ((await ask('schedule.list')) as { schedule: unknown[] }).schedule[1];
  assert.deepEqual(await rows(), { index: 1, ...READ, next, last: { at: timeAfter(0), id, status: null } });
  schedule.answered('schedule.1.5', 'failed');
  schedule.answered(id, 'succeeded');
  assert.deepEqual(await rows(), { index: 1, ...READ, next, last: { at: timeAfter(0), id, status: 'succeeded' } });
  schedule.stop();
  assert.equal(((await ask('schedule.list')) as { schedule: { next: unknown }[] }).schedule[0]?.next, null);
});

test('an entry that could not be scheduled says why, and can still be run', async () => {
  const { ask, ran } = await bench([PING], true);
  assert.deepEqual(await ask('schedule.list'), { schedule: [{ index: 0, ...PING, next: null, why: 'no such zone' }] });
  await ask('schedule.run', { index: 0 });
  assert.equal(ran.length, 1);
});

test('schedule.run runs an entry now, with its arguments, under an id of its own', async () => {
  const { ask, ran, clock } = await bench([PING, READ]);
  const id = `schedule.1.${clock.wallMs()}`;
  assert.deepEqual(await ask('schedule.run', { index: 1 }), { index: 1, command: 'sensor.read', id });
  assert.deepEqual(ran, [['sensor.read', { sensor: 'pump' }, id]]);
});

test('schedule.run refuses what is no entry, and entries that would run each other for ever', async () => {
  const { ask, ran, schedule } = await bench([PING, { ...PING, command: 'schedule.run', args: { index: 1 } }]);
  assert.equal(await ask('schedule.run', { index: 2 }), 'there is no entry 2; the schedule has 2');
  assert.equal(await ask('schedule.run', { index: 1 }), 'entry 1 runs entries itself: only the clock runs it');
  const run = scheduleCommands(() => schedule).find(({ name }) => name === 'schedule.run');
  const context = { id: 'x', by: undefined, progress: () => Promise.resolve(), afterAnswer: notWanted };
  assert.throws(() => run?.run({ index: 2 }, context), { code: 'schedule.unknown', status: 'failed' });
  assert.throws(() => run?.run({ index: 1 }, context), { code: 'schedule.held-back', status: 'failed' });
  assert.equal(await ask('schedule.run'), 'args/index: must be given');
  for (const wrong of [-1, 0.5, 10_000]) {
    const said = `args/index: must be a whole number, 0 to 9999, got ${wrong}`;
    assert.equal(await ask('schedule.run', { index: wrong }), said);
  }
  assert.match(String(await ask('schedule.run', { index: '0' })), /args\/index: must be number, got "0"/);
  assert.deepEqual(ran, []);
});

for (const command of ['agent.restart', 'config.set', 'config.rollback', 'config.cancel', 'certificate.install']) {
  test(`the clock runs no ${command} in the first five minutes of the agent, nor again within five, however it is asked to`, async () => {
    const each = { cron: '* * * * * *', command };
    const { ask, fall, ran, clock } = await bench([each, PING, each]);
    const seconds = (count: number): void => {
      for (let second = 0; second < count; second += 1) {
        for (const run of fall) run();
        clock.pass(1000);
      }
    };
    const refused = new RegExp(`entry 0: the schedule runs ${command} once in five minutes`);
    seconds(299);
    clock.pass(999);
    assert.deepEqual([ran.length, ...new Set(ran.map(([name]) => name))], [299, 'ping']);
    assert.match(String(await ask('schedule.run', { index: 0 })), refused);
    clock.pass(1);
    seconds(299);
    clock.pass(999);
    assert.equal(ran.filter(([name]) => name === command).length, 1);
    assert.match(String(await ask('schedule.run', { index: 2 })), /entry 2: the schedule runs/);
    clock.pass(1);
    assert.deepEqual(((await ask('schedule.run', { index: 2 })) as { command: string }).command, command);
    assert.equal(ran.filter(([name]) => name === command).length, 2);
  });
}

test('node-cron says when an expression runs next, in its own time zone', async (t) => {
  const timer = await systemCron.schedule('0 3 * * *', 'Europe/Berlin', () => undefined);
  t.after(() => timer.cancel());
  const next = timer.nextMs?.() ?? 0;
  assert.ok(next > Date.now() && next <= Date.now() + 25 * 3_600_000);
  const hour = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Berlin', hour: 'numeric', hourCycle: 'h23' });
  assert.equal(hour.format(next), '03');
});
