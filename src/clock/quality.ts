/**
 * What a wall time is worth. Pure. `unknown` where it can not be true: before this software was written, before a time
 * that this device has already lived, or later than it will be in use; `synced` where a time service says so.
 */
import type { ClockQuality } from '../ports.ts';

/** Nothing that this software writes can be older than the software: 2026-01-01T00:00:00Z. */
export const BUILT_MS = Date.UTC(2026, 0, 1);
/** No build is in use for longer; a time service may say otherwise. */
const IN_USE_MS = 20 * 365.25 * 86_400_000;
/** A clock that ran ahead and is corrected back is not below a floor that was taken meanwhile. */
const CORRECTION_MS = 60_000;

export interface ClockFacts {
  readonly wallMs: number;
  /** It can not be earlier. */
  readonly floorMs: number;
  readonly synchronised: boolean;
}

export function judgeClock({ wallMs, floorMs, synchronised }: ClockFacts): ClockQuality {
  if (wallMs < BUILT_MS) return 'unknown';
  // A time service knows better than a floor, which may have been taken while the clock was wrong.
  if (synchronised) return 'synced';
  return wallMs < floorMs - CORRECTION_MS || wallMs > BUILT_MS + IN_USE_MS ? 'unknown' : 'set';
}

const RANKS: Readonly<Record<ClockQuality, number>> = { unknown: 0, set: 1, synced: 2 };

export function isBetter(one: ClockQuality, than: ClockQuality): boolean {
  return RANKS[one] > RANKS[than];
}

export function worseOf(one: ClockQuality, other: ClockQuality): ClockQuality {
  return isBetter(one, other) ? other : one;
}
