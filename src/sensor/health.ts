/**
 * How a sensor does, as reported on its own topic. Pure. Driven by successful reads: a line that is open proves nothing,
 * and one good frame ends every doubt about the line. Events that are in no ledger are told until one is again.
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
  /** Requests in a row without a reading, and why the first of them had none. */
  readonly silences: number;
  readonly silentWhy: string;
  /** The last event was not recorded, because its number was used with other content. */
  readonly isConflicting: boolean;
}

export type HealthInput =
  | { readonly kind: 'up'; readonly atMs: number }
  | { readonly kind: 'down'; readonly why: string }
  | { readonly kind: 'good'; readonly atMs: number }
  | { readonly kind: 'bad'; readonly bytes: number }
  | { readonly kind: 'silent'; readonly why?: string | undefined }
  | { readonly kind: 'judged'; readonly isConflict: boolean };

/** Frames in a row, or bytes, with nothing good among them, after which the line is called wrong. */
const BAD_FRAMES_MAX = 5;
const BAD_BYTES_MAX = 4096;
const SILENCES_MAX = 3;

export const BAD_WHY = 'no valid frames';
export const SILENT_WHY = 'the device does not answer';
const CONFLICT_WHY = 'events are not recorded: their numbers were used with other content';

export const NEW_HEALTH: Health = {
  downWhy: 'not opened yet',
  upMs: 0,
  lastGoodMs: undefined,
  badFrames: 0,
  badBytes: 0,
  silences: 0,
  silentWhy: SILENT_WHY,
  isConflicting: false,
};

export function nextHealth(health: Health, input: HealthInput): Health {
  switch (input.kind) {
    case 'up':
      return { ...NEW_HEALTH, downWhy: undefined, upMs: input.atMs, isConflicting: health.isConflicting };
    case 'down':
      return { ...health, downWhy: input.why };
    case 'good':
      return { ...health, lastGoodMs: input.atMs, badFrames: 0, badBytes: 0, silences: 0 };
    case 'bad':
      return { ...health, badFrames: health.badFrames + 1, badBytes: health.badBytes + input.bytes };
    case 'silent':
      return {
        ...health,
        silences: health.silences + 1,
        // The first: with several polls the reasons may take turns, and each change is published.
        silentWhy: health.silences === 0 ? (input.why ?? SILENT_WHY) : health.silentWhy,
      };
    case 'judged':
      return { ...health, isConflicting: input.isConflict };
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
  if (health.silences >= SILENCES_MAX) return not('error', health.silentWhy);
  if (health.isConflicting) return not('error', CONFLICT_WHY);
  if (health.lastGoodMs === undefined) return not('stale', 'no reading since the line was opened');
  const staleAtMs = health.lastGoodMs + staleAfterMs;
  if (nowMs >= staleAtMs) return not('stale', `no reading for ${Math.round(staleAfterMs / 1000)} s`);
  return { state: 'ok', why: 'reading', staleAtMs };
}
