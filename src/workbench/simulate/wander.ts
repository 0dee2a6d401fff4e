/** Measured values as they move in the world: a little at a time, within bounds. Whole numbers, so that texts are exact. */
import type { Random } from '../random.ts';

export interface Bounds {
  readonly low: number;
  readonly high: number;
  /** The most it moves at once. */
  readonly step: number;
}

/** Each call gives the next value. */
export function wander(random: Random, { low, high, step }: Bounds): () => number {
  let value = random.whole(low, high);
  return () => {
    value = Math.min(high, Math.max(low, value + random.whole(-step, step)));
    return value;
  };
}

/** 21437 with 3 decimals is "21.437"; with `width` 6 (digits before the point) "000021.437". */
export function fixedText(value: number, decimals: number, width = 1): string {
  const digits = String(Math.abs(value)).padStart(width + decimals, '0');
  const whole = digits.slice(0, digits.length - decimals);
  return `${value < 0 ? '-' : ''}${whole}${decimals === 0 ? '' : `.${digits.slice(-decimals)}`}`;
}
