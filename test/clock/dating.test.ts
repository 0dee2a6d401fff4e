/** The example of docs/CONSUMING.md: how a consumer dates what was recorded before the clock was set. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dated, type DatedEvent } from './dating.ts';

type Stamp = Pick<DatedEvent, 'time' | 'clock' | 'boot' | 'uptime_ms'>;

function stamp(clock: DatedEvent['clock'], uptime_ms: number, time: string, boot = 'b1'): Stamp {
  return { clock, uptime_ms, time, boot };
}

const SALE = stamp('unknown', 60_000, '1970-01-01T00:01:00.000Z');

test('an event is dated by the uptime between it and an event of the same boot with a better clock', () => {
  const anchor = stamp('set', 90_000, '2026-11-24T12:00:30.000Z');
  assert.deepEqual(dated(SALE, [anchor, SALE]), { time: '2026-11-24T12:00:00.000Z', clock: 'set' });
});

test('the best clock counts, and of several the nearest', () => {
  const anchors = [
    stamp('set', 61_000, '2026-10-01T00:00:00.000Z'),
    stamp('synced', 900_000, '2026-11-24T13:00:00.000Z'),
    stamp('synced', 90_000, '2026-11-24T12:00:30.000Z'),
  ];
  assert.deepEqual(dated(SALE, anchors), { time: '2026-11-24T12:00:00.000Z', clock: 'synced' });
});

test('another boot, or a clock that is no better, dates nothing', () => {
  const others = [
    stamp('synced', 90_000, '2026-11-24T12:00:30.000Z', 'b2'),
    stamp('unknown', 90_000, '1970-01-01T00:02:00.000Z'),
  ];
  assert.deepEqual(dated(SALE, others), { time: SALE.time, clock: 'unknown' });
  const good = stamp('synced', 60_000, '2026-11-24T12:00:00.000Z');
  assert.deepEqual(dated(good, [stamp('synced', 90_000, '2026-11-24T13:00:00.000Z')]), {
    time: good.time,
    clock: 'synced',
  });
});
