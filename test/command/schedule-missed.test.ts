/** Times of the schedule that were missed, and runs put off by chance, on a clock in the test's hand and a real state file. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { lookMissed } from '../../src/command/missed.ts';
import { Schedule, type ScheduleEntry } from '../../src/command/schedule.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { ClockQuality, Cron, StateStore } from '../../src/ports.ts';
import { good, one, base } from '../config-rig.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';
import { NO_LOG } from '../state/count.ts';

const HOUR_MS = 3_600_000;
const DAILY: ScheduleEntry = { cron: '0 3 * * *', command: 'ping', missed: 'once' };

/** One life of the agent: every hour, on the hour, is a time of each entry. */
async function life(t: TestContext, state: StateStore, entries: readonly ScheduleEntry[], wallMs: number) {
  const clock = new HandClock();
  clock.wallOffsetMs = wallMs - clock.monotonicMs();
  let quality: ClockQuality = 'set';
  let chance = 0.5;
  const ran: string[] = [];
  const falls: (() => void)[] = [];
  const cron: Cron = {
    schedule: (_expression, _zone, run) => {
      falls.push(run);
      return Promise.resolve({
        cancel: () => undefined,
        nextMs: () => (Math.floor(clock.wallMs() / HOUR_MS) + 1) * HOUR_MS,
      });
    },
  };
  const schedule = new Schedule({
    entries,
    cron,
    clock: {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      quality: () => quality,
      after: (ms, run) => clock.after(ms, run),
      soon: (run) => clock.soon(run),
    },
    chance: { unit: () => chance, bytes: (count) => Buffer.alloc(count) },
    state,
    log: keptLog([]),
    desk: {
      runScheduled: (command) => {
        ran.push(command);
        return Promise.resolve();
      },
    },
  });
  t.after(() => schedule.stop());
  await schedule.start();
  /** Time passes, and what is written meanwhile is on disk. */
  const pass = async (ms: number): Promise<void> => {
    clock.pass(ms);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return {
    clock,
    schedule,
    ran,
    pass,
    fall: () => falls[0]?.(),
    trust: (now: ClockQuality) => void (quality = now),
    draw: (unit: number) => void (chance = unit),
  };
}

const NOON = Date.UTC(2026, 10, 23, 12);

async function store(t: TestContext): Promise<StateStore> {
  return stateStore(await temporaryDirectory(t), NO_LOG);
}

test('times at which the agent was off are made up for once, and not again after another restart', async (t) => {
  const state = await store(t);
  const first = await life(t, state, [DAILY], NOON);
  await first.pass(10_000);
  first.schedule.stop();
  const second = await life(t, state, [DAILY], NOON + 30 * HOUR_MS);
  assert.deepEqual(second.ran, []);
  await second.pass(10_000);
  await until(() => second.ran.length === 1, 'the made-up run', 5000);
  await second.pass(10 * 60_000);
  second.schedule.stop();
  const third = await life(t, state, [DAILY], NOON + 30 * HOUR_MS + 20 * 60_000);
  await third.pass(5 * 60_000);
  assert.deepEqual([second.ran, third.ran], [['ping'], []]);
});

test('an entry that does not make up runs no missed time, and keeps nothing on disk', async (t) => {
  const state: StateStore = { open: () => assert.fail('nothing is kept') };
  const { pass, ran } = await life(t, state, [{ ...DAILY, missed: 'off' }], NOON);
  await pass(10 * 60_000);
  assert.deepEqual(ran, []);
});

test('nothing is made up for while the clock was never set; once it is, it is', async (t) => {
  const state = await store(t);
  const first = await life(t, state, [DAILY], NOON);
  await first.pass(10_000);
  first.schedule.stop();
  const second = await life(t, state, [DAILY], 0);
  second.trust('unknown');
  await second.pass(600_000);
  assert.deepEqual(second.ran, []);
  second.trust('synced');
  second.clock.wallOffsetMs = NOON + 5 * HOUR_MS - second.clock.monotonicMs();
  await second.pass(60_000);
  await until(() => second.ran.length === 1, 'the made-up run', 5000);
});

test('a clock that is set over a time while the agent runs has missed it', async (t) => {
  const { clock, pass, ran } = await life(t, await store(t), [DAILY], NOON);
  await pass(10_000);
  clock.wallOffsetMs += 2 * HOUR_MS;
  await pass(60_000);
  await until(() => ran.length === 1, 'the made-up run', 5000);
  await pass(600_000);
  assert.equal(ran.length, 1);
});

test('a run on time counts: it is not made up for after a restart', async (t) => {
  const state = await store(t);
  const first = await life(t, state, [DAILY], NOON + 55 * 60_000);
  await first.pass(10_000);
  await first.pass(5 * 60_000);
  first.fall();
  await until(() => first.ran.length === 1, 'the run', 5000);
  first.schedule.stop();
  const second = await life(t, state, [DAILY], NOON + HOUR_MS + 600_000);
  await second.pass(600_000);
  assert.deepEqual(second.ran, []);
});

test('a clock set back does not make a time missed twice; one that was years ahead is forgotten', () => {
  const next = NOON + HOUR_MS;
  // It ran at 12:00, the clock goes back to 11:40, the next time is 12:00 again.
  const after = { dueMs: next, ranMs: NOON };
  assert.deepEqual(lookMissed(after, NOON - 1_200_000, NOON), { missed: false, awaited: after });
  const years = { dueMs: NOON + 1e12, ranMs: NOON + 1e12 - HOUR_MS };
  const { missed, awaited } = lookMissed(years, NOON, next);
  assert.deepEqual([missed, awaited.dueMs], [false, next]);
  assert.equal(lookMissed(awaited, next + 119_999, next + HOUR_MS).missed, false);
  assert.deepEqual(lookMissed(awaited, next + 120_000, next + HOUR_MS), {
    missed: true,
    awaited: { dueMs: next + HOUR_MS, ranMs: next + 120_000 },
  });
});

test('what could not be kept is not made up for, since it might be again and again; a run on time is run', async (t) => {
  const state: StateStore = {
    open: (_name, parse) =>
      Promise.resolve({
        value: parse(Object.fromEntries([])) as never,
        write: () => Promise.reject(new Error('the disk is full')),
      }),
  };
  const { clock, pass, ran, fall } = await life(t, state, [DAILY], NOON);
  await pass(10_000);
  clock.wallOffsetMs += 2 * HOUR_MS;
  await pass(600_000);
  assert.deepEqual(ran, []);
  fall();
  await until(() => ran.length === 1, 'the run on time', 5000);
});

test('a run is put off by chance, by less than the jitter, and a time that comes meanwhile is that one', async (t) => {
  const entry: ScheduleEntry = { ...DAILY, missed: 'off', jitter: 300_000 };
  const { pass, ran, fall, draw, schedule } = await life(t, await store(t), [entry], NOON);
  fall();
  await pass(149_999);
  fall();
  assert.equal(ran.length, 0);
  await pass(1);
  assert.equal(ran.length, 1);
  await pass(600_000);
  draw(0.999);
  fall();
  await pass(299_000);
  assert.equal(ran.length, 1);
  schedule.stop();
  await pass(600_000);
  assert.equal(ran.length, 1);
});

test('missed and jitter are judged', () => {
  const entry = (more: object): object => ({ ...base(), schedule: [{ cron: '0 3 * * *', command: 'ping', ...more }] });
  assert.equal(good(entry({ missed: 'once', jitter: '5m' })).schedule[0]?.jitter, 300_000);
  assert.equal(one(entry({ missed: 'all' })), 'device.json /schedule/0/missed: must be "off" or "once", got "all"');
  assert.equal(one(entry({ jitter: '2d' })), 'device.json /schedule/0/jitter: must be 1s to 12h, got "2d"');
});
