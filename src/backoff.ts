/**
 * Back-off with full jitter: a uniform wait between 0 and a ceiling that doubles with each failure in a row. Full jitter
 * spreads a fleet that lost its broker at one moment better than equal jitter or none (mosquitto #1035, MQTT.js #561).
 */
import type { Chance } from './ports.ts';

export interface BackoffBounds {
  /** Ceiling of the first wait, milliseconds. */
  readonly firstMs: number;
  /** Ceiling that is never passed, milliseconds. */
  readonly maxMs: number;
}

/** Milliseconds to wait after the `failures`-th failure in a row (1 for the first). */
export function backoffMs(bounds: BackoffBounds, failures: number, chance: Chance): number {
  const doublings = Math.min(Math.max(failures, 1) - 1, 30);
  const ceiling = Math.min(bounds.maxMs, bounds.firstMs * 2 ** doublings);
  return chance.unit() * ceiling;
}
