/** Schedules on the nights on which clocks are turned, with node-cron itself and a clock that the test turns. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Schedule } from '../../src/command/schedule.ts';
import { systemCron } from '../../src/platform/cron.ts';
import type { StateStore } from '../../src/ports.ts';
import { HandClock } from '../sensor-rig.ts';
import { keptLog } from '../serial-rig.ts';

const HOUR_MS = 3_600_000;
const BERLIN = 'Europe/Berlin';
const NEW_YORK = 'America/New_York';

interface Night {
  /** Lets so much time pass. */
  pass(ms: number): void;
  /** What has run, as UTC. */
  readonly ran: string[];
  /** What it says of the next time, as UTC. */
  next(): string | undefined;
}

async function night(t: TestContext, expression: string, zone: string, from: string): Promise<Night> {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.parse(from) });
  t.after(() => t.mock.timers.reset());
  const ran: string[] = [];
  const timer = await systemCron.schedule(expression, zone, () => ran.push(time(Date.now())));
  return {
    ran,
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 500) t.mock.timers.tick(Math.min(500, ms - passed));
    },
    next: () => time(timer.nextMs?.() ?? 0),
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19).replace(/:00$/, '');
}

/** Every so many minutes, the first at `from`, the last before `to`; all on the hour or after it, UTC. */
function every(minutes: number, from: number, to: number): string[] {
  const count = ((to - from) * 60) / minutes;
  return Array.from({ length: count }, (_, at) => time(from * HOUR_MS + at * minutes * 60_000));
}

const NIGHTS: readonly (readonly [what: string, expression: string, zone: string, from: string, ran: string[]])[] = [
  // 03:00 becomes 02:00 at 01:00 UTC; 02:00 becomes 01:00 at 06:00 UTC.
  ['each quarter, Berlin', '*/15 * * * *', BERLIN, '2026-10-24T22:59:00Z', every(15, 23, 28)],
  ['each quarter, New York', '*/15 * * * *', NEW_YORK, '2026-11-01T03:59:00Z', every(15, 4, 9)],
  ['each hour, Berlin', '0 * * * *', BERLIN, '2026-10-24T22:59:00Z', every(60, 23, 28)],
  ['each hour, New York', '0 * * * *', NEW_YORK, '2026-11-01T03:59:00Z', every(60, 4, 9)],
  ['half past two, Berlin', '30 2 * * *', BERLIN, '2026-10-24T22:59:00Z', ['00:30', '01:30']],
  ['ten past one, New York', '10 1 * * *', NEW_YORK, '2026-11-01T03:59:00Z', ['05:10', '06:10']],
  ['on that date alone, Berlin', '0 2 25 10 *', BERLIN, '2026-10-24T22:59:00Z', ['00:00', '01:00']],
  ['with seconds, Berlin', '30 59 2 * * *', BERLIN, '2026-10-24T22:59:00Z', ['00:59:30', '01:59:30']],
  ['with seconds, New York', '30 */20 1 * * *', NEW_YORK, '2026-11-01T03:59:00Z', every(20, 5, 7).map(withSeconds)],
  [
    'with seconds, always, Berlin',
    '30 */20 * * * *',
    BERLIN,
    '2026-10-24T22:59:00Z',
    every(20, 23, 28).map(withSeconds),
  ],
  // 02:00 becomes 03:00 at 01:00 UTC, and at 07:00 UTC.
  ['each quarter in spring, Berlin', '*/15 * * * *', BERLIN, '2026-03-28T22:59:00Z', every(15, 23, 28)],
  ['each quarter in spring, New York', '*/15 * * * *', NEW_YORK, '2026-03-08T04:59:00Z', every(15, 5, 10)],
  ['half past two in spring, Berlin', '30 2 * * *', BERLIN, '2026-03-28T22:59:00Z', []],
  ['with seconds in spring, New York', '15 0 1-3 * * *', NEW_YORK, '2026-03-08T04:59:00Z', ['06:00:15', '07:00:15']],
];

function withSeconds(text: string): string {
  return `${text}:30`;
}

for (const [what, expression, zone, from, ran] of NIGHTS) {
  test(`a schedule runs whenever its fields fit, also in an hour that comes twice: ${what}`, async (t) => {
    const turned = await night(t, expression, zone, from);
    turned.pass(5 * HOUR_MS + 30_000);
    assert.deepEqual(turned.ran, ran);
  });
}

test('the next time that is told is the first pass of an hour that comes twice, then the second', async (t) => {
  const turned = await night(t, '30 2 25 10 *', BERLIN, '2026-10-01T00:00:00Z');
  assert.equal(turned.next(), '00:30');
  t.mock.timers.setTime(Date.parse('2026-10-24T22:00:00Z'));
  assert.equal(turned.next(), '00:30');
  t.mock.timers.setTime(Date.parse('2026-10-25T00:30:00Z'));
  assert.equal(turned.next(), '01:30');
});

test('a first pass that the clock is set over is made up for once, and the second runs', async (t) => {
  const start = Date.parse('2026-10-24T22:59:00Z');
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: start });
  t.after(() => t.mock.timers.reset());
  const clock = new HandClock();
  clock.wallOffsetMs = start - clock.monotonicMs();
  const ran: string[] = [];
  const state: StateStore = {
    open: (_name, _parse, initial) => {
      const document = {
        value: initial,
        write: (value: typeof initial) => {
          document.value = value;
          return Promise.resolve();
        },
      };
      return Promise.resolve(document);
    },
  };
  const schedule = new Schedule({
    entries: [{ cron: '30 2 * * *', timezone: BERLIN, command: 'ping', missed: 'once' }],
    cron: systemCron,
    clock,
    chance: { unit: () => 0.5, bytes: (count) => Buffer.alloc(count) },
    state,
    log: keptLog([]),
    desk: {
      runScheduled: () => {
        ran.push(time(clock.wallMs()));
        return Promise.resolve();
      },
    },
  });
  t.after(() => schedule.stop());
  await schedule.start();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.pass(10_000);
      t.mock.timers.tick(10_000);
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    }
  };
  await pass(10 * 60_000);
  // To 01:00:10 UTC: past 00:30, before 01:30.
  const jump = Date.parse('2026-10-25T01:00:00Z') - clock.wallMs();
  clock.wallOffsetMs += jump;
  t.mock.timers.setTime(Date.now() + jump);
  await pass(3 * HOUR_MS);
  assert.equal(ran.length, 2);
  assert.match(ran[0] ?? '', /^01:0[01]/);
  assert.match(ran[1] ?? '', /^01:30/);
});
