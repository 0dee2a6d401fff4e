/** A token bucket on the monotonic clock: so many at once, and so many a minute in the long run. */
import type { Clock } from '../ports.ts';

const MINUTE_MS = 60_000;

export interface RateOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly burst: number;
  readonly perMinute: number;
}

export class Rate {
  readonly #options: RateOptions;
  #tokens: number;
  #filledMs: number;

  constructor(options: RateOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledMs = options.clock.monotonicMs();
  }

  /** False: too many. */
  take(): boolean {
    const { clock, burst, perMinute } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledMs) * perMinute) / MINUTE_MS);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
