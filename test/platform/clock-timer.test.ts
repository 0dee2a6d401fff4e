/** Waits that are longer than a timer of Node's can be. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { systemTime } from '../../src/platform/clock.ts';

const TIMER_MS_MAX = 2 ** 31 - 1;
const DAY_MS = 86_400_000;

test('a wait of ninety days is no wait of a millisecond', async (t) => {
  let isOver = false;
  const long = systemTime.after(90 * DAY_MS, () => {
    isOver = true;
  });
  t.after(() => long.cancel());
  await new Promise<void>((resolve) => void systemTime.after(20, resolve));
  assert.equal(isOver, false);
});

test('a wait is as long as it was asked for, in whatever pieces, and can be ended in each', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let ran = 0;
    const run = (): void => void (ran += 1);
    systemTime.after(2 * TIMER_MS_MAX + 5, run);
    const ended = systemTime.after(2 * TIMER_MS_MAX + 5, run);
    mock.timers.tick(TIMER_MS_MAX);
    ended.cancel();
    // Up to the end of each piece: the next one begins at the end of a tick.
    mock.timers.tick(TIMER_MS_MAX);
    mock.timers.tick(4);
    assert.equal(ran, 0);
    mock.timers.tick(1);
    assert.equal(ran, 1);
    mock.timers.tick(4 * TIMER_MS_MAX);
    assert.equal(ran, 1);
  } finally {
    mock.timers.reset();
  }
});
