/** What a wall time is worth, at the moment that it is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILT_MS, isBetter, judgeClock, worseOf } from '../../src/clock/quality.ts';
import { WatchedClock } from '../../src/clock/watched-clock.ts';
import { HandClock } from '../sensor-rig.ts';
import { DAY_MS, NOW_MS } from './clock-rig.ts';

function judged(wallMs: number, floorMs = BUILT_MS, synchronised = false): string {
  return judgeClock({ wallMs, floorMs, synchronised });
}

test('a time before this software, before the floor or decades ahead is unknown', () => {
  assert.equal(judged(0), 'unknown');
  assert.equal(judged(BUILT_MS - 1), 'unknown');
  assert.equal(judged(NOW_MS), 'set');
  assert.equal(judged(NOW_MS, NOW_MS + DAY_MS), 'unknown');
  assert.equal(judged(Date.UTC(2100, 0, 1)), 'unknown');
});

test('a clock that is corrected back by less than a minute is not below the floor', () => {
  assert.equal(judged(NOW_MS, NOW_MS + 59_000), 'set');
  assert.equal(judged(NOW_MS, NOW_MS + 61_000), 'unknown');
});

test('a time service beats floor and horizon, but not the time before this software', () => {
  assert.equal(judged(NOW_MS, NOW_MS + DAY_MS, true), 'synced');
  assert.equal(judged(Date.UTC(2060, 0, 1), BUILT_MS, true), 'synced');
  assert.equal(judged(0, BUILT_MS, true), 'unknown');
});

test('the order of qualities', () => {
  assert.ok(isBetter('synced', 'set') && isBetter('set', 'unknown') && !isBetter('set', 'set'));
  assert.equal(worseOf('synced', 'unknown'), 'unknown');
});

function watched(): { hand: HandClock; clock: WatchedClock } {
  const hand = new HandClock();
  hand.wallOffsetMs = NOW_MS - hand.monotonicMs();
  return { hand, clock: new WatchedClock(hand) };
}

test('a clock that is set is not synchronised from that moment on, until that is said anew', () => {
  const { hand, clock } = watched();
  clock.confirm(true, clock.steps);
  assert.equal(clock.quality(), 'synced');
  hand.wallOffsetMs += 1500;
  assert.equal(clock.quality(), 'synced', 'a leap second, and some more, is no step');
  hand.wallOffsetMs += 2000;
  assert.equal(clock.quality(), 'set');
  clock.confirm(true, clock.steps);
  assert.equal(clock.quality(), 'synced');
});

test('what was said of a clock before it was set does not count', () => {
  const { hand, clock } = watched();
  const { steps } = clock;
  hand.wallOffsetMs += DAY_MS;
  clock.confirm(true, steps);
  assert.equal(clock.quality(), 'set');
});

test('the floor rises, and comes down only where the time service says that it was wrong', () => {
  const { hand, clock } = watched();
  clock.raise(NOW_MS + 10 * DAY_MS);
  clock.raise(NOW_MS - DAY_MS);
  assert.equal(clock.floorMs, NOW_MS + 10 * DAY_MS);
  assert.equal(clock.quality(), 'unknown');
  clock.confirm(false, clock.steps);
  assert.equal(clock.floorMs, NOW_MS + 10 * DAY_MS);
  clock.confirm(true, clock.steps);
  assert.equal(clock.floorMs, clock.wallMs());
  hand.wallOffsetMs -= DAY_MS;
  assert.equal(clock.quality(), 'unknown');
});

test('the worst quality since the last look is kept for whoever dates what was stamped meanwhile', () => {
  const { hand, clock } = watched();
  const realMs = hand.wallOffsetMs;
  assert.equal(clock.takeWorst(), 'set');
  hand.wallOffsetMs = 0;
  assert.equal(clock.quality(), 'unknown');
  hand.wallOffsetMs = realMs;
  assert.equal(clock.takeWorst(), 'unknown');
  assert.equal(clock.takeWorst(), 'set');
});
