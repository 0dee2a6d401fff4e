/** What is remembered of the clock over restarts, in one small document: a floor of the time, and this boot's stamps. Pure. */
import { BUILT_MS } from './quality.ts';
import type { Stamped } from './anchor.ts';

export interface ClockNote {
  /** It is this late at least, wall milliseconds. */
  readonly floorMs: number;
  /** The boot that `stamped` is of. */
  readonly boot: string;
  readonly stamped: Stamped | undefined;
}

export const EMPTY_NOTE: ClockNote = { floorMs: BUILT_MS, boot: '', stamped: undefined };

/** Later than any wall clock that `Date` can say: such a floor would never be reached. */
const DATE_MS_MAX = 8.64e15;

export function parseClockNote(found: unknown): ClockNote | undefined {
  if (typeof found !== 'object' || found === null) return undefined;
  const { floorMs, boot, stamped } = found as Partial<Record<string, unknown>>;
  if (typeof floorMs !== 'number' || Math.abs(floorMs) > DATE_MS_MAX || typeof boot !== 'string') return undefined;
  return { floorMs, boot, stamped: parseStamped(stamped) };
}

function parseStamped(found: unknown): Stamped | undefined {
  if (typeof found !== 'object' || found === null) return undefined;
  const { clock, offsetMs } = found as Partial<Record<string, unknown>>;
  if (clock !== 'synced' && clock !== 'set' && clock !== 'unknown') return undefined;
  return typeof offsetMs === 'number' && Number.isFinite(offsetMs) ? { clock, offsetMs } : undefined;
}
