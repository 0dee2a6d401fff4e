/** Figures of this process. How late its timers are is measured only when somebody asks: measuring wakes the machine. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ProcessFigures } from '../ports.ts';

const MEASURED_MS = 500;
const RESOLUTION_MS = 20;

/** Takes half a second. */
export async function processFigures(): Promise<ProcessFigures> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  await new Promise<void>((resolve) => setTimeout(resolve, MEASURED_MS));
  delay.disable();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    uptimeMs: Math.round(process.uptime() * 1000),
    loopDelayMeanMs: lateMs(delay.mean),
    loopDelayMaxMs: lateMs(delay.max),
  };
}

/** Node counts from one tick of its measuring timer to the next, in nanoseconds. */
export function lateMs(betweenNs: number): number {
  // Divided last: a difference of hundredths has more digits than either.
  return Math.max(0, Math.round(betweenNs / 10_000) - RESOLUTION_MS * 100) / 100;
}
