/**
 * Whether a time of the schedule was missed: the agent was off when it came, or the clock was set over it. Pure. However many
 * were missed, that is one; and a time that comes again because the clock was set back is not missed a second time.
 */

/** A time that is so late was not noticed by the schedule itself, which takes a minute and looks twice in it. */
const MISSED_MS = 120_000;
/** As the schedule has it: a clock set back by less was corrected, and the times in between have been. */
const CORRECTION_MS = 3_600_000;

/** On the wall clock, milliseconds. */
export interface Awaited {
  /** The time that is to come next, as it was known when the last one had come. */
  readonly dueMs?: number | undefined;
  /** The newest that counted. */
  readonly ranMs?: number | undefined;
}

/** `nextMs`: the first time after now; undefined: there is none. */
export function lookMissed(
  { dueMs, ranMs }: Awaited,
  nowMs: number,
  nextMs: number | undefined,
): { readonly missed: boolean; readonly awaited: Awaited } {
  if (dueMs !== undefined && nowMs - dueMs >= MISSED_MS)
    return { missed: true, awaited: { dueMs: nextMs, ranMs: nowMs } };
  const isRepeat = nextMs !== undefined && ranMs !== undefined && nextMs <= ranMs && ranMs - nextMs < CORRECTION_MS;
  // What is awaited lies beyond the next time: the clock was ahead when it was worked out.
  if (!isRepeat && (dueMs === undefined || (nextMs !== undefined && nextMs < dueMs))) {
    return { missed: false, awaited: { dueMs: nextMs, ranMs } };
  }
  return { missed: false, awaited: { dueMs, ranMs } };
}
