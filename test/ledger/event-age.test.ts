/** How old an event is, on a wall clock that jumps: by uptime within a boot, and never by a clock that was never set. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageOf, type ThisMoment } from '../../src/ledger/event-age.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const HOUR_MS = 3_600_000;
const NOW: ThisMoment = { wallMs: NOW_MS, clock: 'synced', boot: 'b2', uptimeMs: HOUR_MS };

test('within one boot the uptime tells, whatever the wall clock did', () => {
  for (const timeMs of [0, Date.UTC(2100, 0, 1), NOW_MS]) {
    assert.equal(ageOf({ timeMs, clock: 'unknown', boot: 'b2', uptimeMs: HOUR_MS - 5000 }, NOW), 5000);
  }
});

test('over a boot the wall clock tells, where both times are worth something', () => {
  const stamp = { timeMs: NOW_MS - 48 * HOUR_MS, clock: 'set', boot: 'b1', uptimeMs: 9 } as const;
  assert.equal(ageOf(stamp, NOW), 48 * HOUR_MS);
  assert.equal(ageOf({ ...stamp, clock: 'unknown', timeMs: 0 }, NOW), HOUR_MS, 'at least as long as the machine is up');
  assert.equal(ageOf(stamp, { ...NOW, clock: 'unknown', wallMs: Date.UTC(2100, 0, 1) }), HOUR_MS);
  assert.equal(ageOf({ ...stamp, timeMs: NOW_MS + HOUR_MS }, NOW), HOUR_MS, 'a clock that was set back');
});
