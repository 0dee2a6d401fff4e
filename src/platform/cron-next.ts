/**
 * When an expression fits next, also on the nights on which clocks are turned. Pure. node-cron looks for local times, and
 * finds each once: of an hour that comes twice it knows one pass, or steps over both (4.6.0). Whether all fields fit at a
 * moment it judges soundly, so near a turned clock the moments themselves are gone through, and nowhere else: it costs.
 */

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
/** No zone turns its clock by more than two hours (Antarctica/Troll). */
const REACH_MS = 3 * 3_600_000;

export interface Expression {
  /** Whether all fields fit at this moment. */
  readonly fits: (ms: number) => boolean;
  /** What the clock on the wall shows, minutes after midnight. */
  readonly minuteOfDay: (ms: number) => number;
}

/** The first moment after `fromMs` that fits. `givenMs`: the one that node-cron names, which does fit. */
export function nextTime(fromMs: number, givenMs: number, expression: Expression): number {
  if (givenMs - fromMs <= SECOND_MS) return givenMs;
  if (isTurned(fromMs - REACH_MS, fromMs + REACH_MS, expression)) {
    const found = firstFit(fromMs, Math.min(givenMs, fromMs + REACH_MS), givenMs, expression);
    if (found !== undefined) return found;
  }
  // Far ahead it may name the second pass of an hour whose first is yet to come.
  const nearMs = givenMs - REACH_MS;
  if (nearMs <= fromMs || !isTurned(nearMs, givenMs, expression)) return givenMs;
  return firstFit(nearMs, givenMs, givenMs, expression) ?? givenMs;
}

function isTurned(fromMs: number, toMs: number, { minuteOfDay }: Expression): boolean {
  const shown = minuteOfDay(toMs) - minuteOfDay(fromMs);
  const passed = Math.floor(toMs / MINUTE_MS) - Math.floor(fromMs / MINUTE_MS);
  return (shown - passed) % DAY_MINUTES !== 0;
}

/** By minutes, at a second that is known to fit, and only in a minute that fits by its seconds. */
function firstFit(fromMs: number, toMs: number, givenMs: number, { fits }: Expression): number | undefined {
  const secondMs = givenMs % MINUTE_MS;
  for (let minuteMs = fromMs - (fromMs % MINUTE_MS); minuteMs < toMs; minuteMs += MINUTE_MS) {
    if (!fits(minuteMs + secondMs)) continue;
    for (let ms = minuteMs; ms < minuteMs + MINUTE_MS; ms += SECOND_MS) {
      if (ms > fromMs && ms < toMs && fits(ms)) return ms;
    }
  }
  return undefined;
}
