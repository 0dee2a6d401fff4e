/**
 * How much was written to storage in the last 24 hours of running: what wears a memory card. Counted in hours of running
 * time, so neither a clock that jumps nor a night switched off makes it wrong. Pure.
 */

/** Bytes of each finished hour, newest last. */
export type WrittenHours = readonly number[];

const HOURS = 24;

export function withHour(hours: WrittenHours, bytes: number): WrittenHours {
  return [...hours, Math.round(bytes)].slice(-HOURS);
}

/** `current`: of the hour that is not over. */
export function writtenInDay(hours: WrittenHours, current: number): number {
  return hours.slice(1 - HOURS).reduce((sum, bytes) => sum + bytes, Math.round(current));
}
