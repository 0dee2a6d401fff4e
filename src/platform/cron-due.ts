/**
 * When a scheduled time counts, on a wall clock that may jump. Pure. A time that was jumped over is not made up, however
 * many there were; one that comes again because the clock was set back by a little does not count twice.
 */

/** A time that is noticed so late still counts: the machine was busy, or the clock was set over it by a few seconds. */
const LATE_MS = 60_000;
/** A clock that goes back by less is corrected, and the times in between have been; by more, it was wrong before. */
const CORRECTION_MS = 3_600_000;

export interface DueState {
  readonly dueMs: number | undefined;
  /** The newest time that counted. */
  readonly lastMs: number | undefined;
}

/** `after`: the first time of the schedule after this one; undefined: there is none. */
export function lookDue(
  { dueMs, lastMs }: DueState,
  nowMs: number,
  after: (ms: number) => number | undefined,
): { readonly counts: boolean; readonly state: DueState } {
  const isNow = dueMs !== undefined && nowMs >= dueMs && nowMs - dueMs <= LATE_MS;
  const counts = isNow && !isRepeat(dueMs, lastMs);
  return { counts, state: { dueMs: after(nowMs), lastMs: counts ? dueMs : lastMs } };
}

function isRepeat(dueMs: number, lastMs: number | undefined): boolean {
  return lastMs !== undefined && dueMs <= lastMs && lastMs - dueMs < CORRECTION_MS;
}
