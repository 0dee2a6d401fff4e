/**
 * The system's clocks. Wall time stamps readings and events; everything that waits uses the monotonic clock.
 */
import { existsSync } from 'node:fs';
import type { Clock, ClockQuality } from '../ports.ts';

/** Nothing this software writes can be older than the software: 2026-01-01T00:00:00Z. */
const PLAUSIBLE_FROM_MS = Date.UTC(2026, 0, 1);
/** Made by systemd-timesyncd once the clock is synchronised (systemd-timesyncd(8)); gone with each boot. */
const SYNCHRONISED = '/run/systemd/timesync/synchronized';
const LOOK_MS = 10_000;

function makeClock(): Clock {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let synchronised = false;
  const quality = (): ClockQuality => {
    if (Date.now() < PLAUSIBLE_FROM_MS) return 'unknown';
    if (performance.now() - lookedMs >= LOOK_MS) {
      lookedMs = performance.now();
      synchronised = existsSync(SYNCHRONISED);
    }
    return synchronised ? 'synced' : 'set';
  };
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    quality,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    soon: (run) => void setImmediate(run),
  };
}

export const systemClock: Clock = makeClock();
