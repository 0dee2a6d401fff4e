/** The longest time between two runs of a cron expression, which what waits for the next must be longer than. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestGapMs } from '../src/config/cron-gap.ts';
import { problemText } from '../src/config/problem.ts';
import { bad, good, withSensor } from './config-rig.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const GAPS: readonly (readonly [expression: string, seconds: number])[] = [
  ['* * * * *', MINUTE],
  ['*/15 * * * *', 15 * MINUTE],
  ['0,10 * * * *', 50 * MINUTE],
  ['*/25 * * * *', 25 * MINUTE],
  ['0 8-18 * * *', 14 * HOUR],
  ['30 6,18 * * *', 12 * HOUR],
  ['0 3 * * *', DAY],
  ['0 3 * * 1', 7 * DAY],
  ['0 3 * * 0,7', 7 * DAY],
  ['*/30 8-18 * * mon-fri', 2 * DAY + 13 * HOUR + 30 * MINUTE],
  ['0 0 1 * *', 31 * DAY],
  ['0 0 29 2 *', (4 * 365 + 1) * DAY],
  ['0 0 31 12 *', 366 * DAY],
  ['* * * * * *', 1],
  ['5,50 * * * * *', 45],
  ['30 */10 * * * *', 10 * MINUTE],
  ['10,20 0 * * * *', HOUR - 10],
];

for (const [expression, seconds] of GAPS) {
  test(`the longest time between two runs is told from the fields: ${expression}`, () => {
    assert.equal(longestGapMs(expression), seconds * 1000);
  });
}

test('of an expression that is not sound nothing is told', () => {
  assert.equal(longestGapMs('61 * * * *'), undefined);
});

test('a watchdog that ends before the next poll, in the night too, is refused with its place', () => {
  const expected = 'longer than the time from poll to poll, by cron the longest that comes';
  for (const [watchdog, cron] of [
    ['15m', '*/15 * * * *'],
    ['2h', '0 8-18 * * *'],
  ] as const) {
    const [problem] = bad(withSensor({ watchdog, poll: { cron, write: 'x' } }));
    assert.ok(problem);
    assert.equal(
      problemText('device.json', problem),
      `device.json /sensors/0/watchdog: must be ${expected}, got "${watchdog}"`,
    );
  }
});

test('a watchdog that is longer than the time from poll to poll is taken', () => {
  const watched = withSensor({ watchdog: '16m', poll: { cron: '*/15 * * * *', write: 'x' } });
  assert.equal(good(watched).sensors[0]?.watchdog, 16 * 60_000);
});
