/**
 * The system's clocks. Wall time stamps readings and events; everything that waits uses the monotonic clock.
 */
import type { Clock, ClockQuality } from '../ports.ts';

/** Nothing this software writes can be older than the software: 2026-01-01T00:00:00Z. */
const PLAUSIBLE_FROM_MS = Date.UTC(2026, 0, 1);

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  quality: (): ClockQuality => (Date.now() < PLAUSIBLE_FROM_MS ? 'unknown' : 'set'),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (run) => void setImmediate(run),
};
