/**
 * How a sensor does, as reported on its own topic. Pure. Driven by successful reads: a line that is open proves nothing,
 * and one good frame ends every doubt.
 */

export type SensorCondition = 'ok' | 'stale' | 'error' | 'absent';

/** Times are on the monotonic clock. */
export interface Health {
  /** Why the line is not up; undefined while it is. */
  readonly downWhy: string | undefined;
  readonly upMs: number;
  readonly lastGoodMs: number | undefined;
  readonly badFrames: number;
  readonly badBytes: number;
  /** Requests in a row without an answer. */
  readonly silences: number;
}

export type HealthInput =
  | { readonly kind: 'up'; readonly atMs: number }
  | { readonly kind: 'down'; readonly why: string }
  | { readonly kind: 'good'; readonly atMs: number }
  | { readonly kind: 'bad'; readonly bytes: number }
  | { readonly kind: 'silent' };

/** Frames in a row, or bytes, with nothing good among them, after which the line is called wrong. */
const BAD_FRAMES_MAX = 5;
const BAD_BYTES_MAX = 4096;
const SILENCES_MAX = 3;

export const BAD_WHY = 'no valid frames';
export const SILENT_WHY = 'the device does not answer';

export const NEW_HEALTH: Health = {
  downWhy: 'not opened yet',
  upMs: 0,
  lastGoodMs: undefined,
  badFrames: 0,
  badBytes: 0,
  silences: 0,
};

export function nextHealth(health: Health, input: HealthInput): Health {
  switch (input.kind) {
    case 'up':
      return { downWhy: undefined, upMs: input.atMs, lastGoodMs: undefined, badFrames: 0, badBytes: 0, silences: 0 };
    case 'down':
      return { ...health, downWhy: input.why };
    case 'good':
      return { ...health, lastGoodMs: input.atMs, badFrames: 0, badBytes: 0, silences: 0 };
    case 'bad':
      return { ...health, badFrames: health.badFrames + 1, badBytes: health.badBytes + input.bytes };
    case 'silent':
      return { ...health, silences: health.silences + 1 };
  }
}

export interface Verdict {
  readonly state: SensorCondition;
  readonly why: string;
  /** When it becomes stale, if nothing comes; undefined when it is not ok. */
  readonly staleAtMs: number | undefined;
}

export function judgeHealth(health: Health, nowMs: number, staleAfterMs: number): Verdict {
  const not = (state: SensorCondition, why: string): Verdict => ({ state, why, staleAtMs: undefined });
  if (health.downWhy !== undefined) return not('absent', health.downWhy);
  if (health.badFrames >= BAD_FRAMES_MAX || health.badBytes >= BAD_BYTES_MAX) {
    return not('error', BAD_WHY);
  }
  if (health.silences >= SILENCES_MAX) return not('error', SILENT_WHY);
  if (health.lastGoodMs === undefined) return not('stale', 'no reading since the line was opened');
  const staleAtMs = health.lastGoodMs + staleAfterMs;
  if (nowMs >= staleAtMs) return not('stale', `no reading for ${Math.round(staleAfterMs / 1000)} s`);
  return { state: 'ok', why: 'reading', staleAtMs };
}
