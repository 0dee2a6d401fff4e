/**
 * The system's clocks. Wall time stamps readings and events; everything that waits uses the monotonic clock. The agent puts
 * `WatchedClock` round `systemTime`; sub-commands that only look use `systemClock`.
 */
import { BUILT_MS, judgeClock } from '../clock/quality.ts';
import type { FlooredClock, RawClock } from '../ports.ts';
import { isMarkedSynchronised } from './time-service.ts';

/** Node makes a longer wait one of a millisecond. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemTime: RawClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, run) => {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const isLast = leftMs <= TIMER_MS_MAX;
      timer = setTimeout(isLast ? run : () => wait(leftMs - TIMER_MS_MAX), isLast ? leftMs : TIMER_MS_MAX);
    };
    wait(ms);
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (run) => void setImmediate(run),
};

export const systemClock: FlooredClock = {
  ...systemTime,
  floorMs: BUILT_MS,
  quality: () => judgeClock({ wallMs: Date.now(), floorMs: BUILT_MS, synchronised: isMarkedSynchronised() }),
};
