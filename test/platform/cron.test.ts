/** The device's schedule on a wall clock that jumps: what counts, and that years passed over cost nothing. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemCron } from '../../src/platform/cron.ts';
import { type DueState, lookDue } from '../../src/platform/cron-due.ts';
import { Child } from '../../src/workbench/child.ts';
import { fakeTime, NO_FAKE_TIME } from '../rig/fake-time.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 15_000;
const HOUR_MS = 3_600_000;
const THREE_MS = Date.UTC(2026, 10, 24, 3);
const YEAR_MS = 365 * 24 * HOUR_MS;

/** Every hour on the hour. */
const hourly = (ms: number): number => (Math.floor(ms / HOUR_MS) + 1) * HOUR_MS;

/** Looks at these times; gives those of the schedule that counted, in hours after three o'clock. */
function counted(...looks: readonly number[]): readonly number[] {
  const found: number[] = [];
  let state: DueState = { dueMs: hourly(looks[0] ?? 0), lastMs: undefined };
  for (const nowMs of looks) {
    const { dueMs } = state;
    const { counts, state: next } = lookDue(state, nowMs, hourly);
    if (counts) found.push(((dueMs ?? 0) - THREE_MS) / HOUR_MS);
    state = next;
  }
  return found;
}

test('each time counts once, also when it is noticed half a minute late', () => {
  assert.deepEqual(counted(THREE_MS - 1000, THREE_MS, THREE_MS + 10, THREE_MS + HOUR_MS + 30_000), [0, 1]);
});

test('times that a clock jumped over do not count, however many', () => {
  assert.deepEqual(counted(THREE_MS - 1000, THREE_MS + 70 * YEAR_MS + 100_000), []);
  assert.deepEqual(counted(THREE_MS - 1000, THREE_MS + 5 * HOUR_MS + 100_000, THREE_MS + 6 * HOUR_MS), [6]);
});

test('a clock that is corrected back over a time does not make it count twice; set back for good it counts again', () => {
  assert.deepEqual(counted(THREE_MS - 1000, THREE_MS + 5, THREE_MS - 2000, THREE_MS, THREE_MS + HOUR_MS), [0, 1]);
  const ahead = THREE_MS + 70 * YEAR_MS;
  assert.deepEqual(counted(ahead - 10, ahead, THREE_MS - 2000, THREE_MS).slice(1), [0]);
});

test('a schedule without a next time waits for one', () => {
  const none = lookDue({ dueMs: undefined, lastMs: undefined }, THREE_MS, () => undefined);
  assert.deepEqual(none, { counts: false, state: { dueMs: undefined, lastMs: undefined } });
});

test('how far runs are apart is told by day and by night, also just before one', async (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.UTC(2026, 10, 24, 17, 59, 59) });
  t.after(() => t.mock.timers.reset());
  const timer = await systemCron.schedule('0 8-18 * * *', 'UTC', () => undefined);
  assert.equal(timer.gapMs?.(), 14 * HOUR_MS);
  t.mock.timers.setTime(Date.UTC(2026, 10, 24, 18, 0, 1));
  assert.equal(timer.gapMs?.(), 14 * HOUR_MS - 1000);
  t.mock.timers.setTime(Date.UTC(2026, 10, 25, 8, 0, 1));
  assert.equal(timer.gapMs?.(), HOUR_MS);
  timer.cancel();
});

test('a clock that jumps to 2100 and back to 1970 neither stops the process nor the schedule', async (t) => {
  const directory = await temporaryDirectory(t);
  const clock = await fakeTime(join(directory, 'time'));
  if (clock === undefined) return t.skip(NO_FAKE_TIME);
  await clock.set(Date.UTC(2026, 10, 24, 12));
  const probe = new Child({
    command: process.execPath,
    args: ['--import', 'tsx', join(import.meta.dirname, 'cron-probe.ts')],
    env: clock.env,
  });
  t.after(() => probe.kill9());
  const saw = (what: string): Promise<string> =>
    until(() => probe.outLines.find((line) => line.startsWith(what)), what, DEADLINE_MS);
  await saw('second 2026-11-24T12:00:');
  for (const year of [2100, 1970, 2026]) {
    await clock.set(Date.UTC(year, 5, 1));
    await saw(`alive ${year}-06-01T03:00:00.000Z ${year}-06-01T`);
    await saw(`second ${year}-06-01T00:00:`);
  }
  const seconds = probe.outLines.filter((line) => line.startsWith('second '));
  assert.equal(new Set(seconds.map((line) => line.slice(0, 26))).size, seconds.length, 'no second ran twice');
  assert.deepEqual(
    probe.outLines.filter((line) => line.startsWith('day ')),
    [],
  );
});
