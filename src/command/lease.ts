/** Something that an operator turns on for a while: it ends by itself, by time that never jumps, and at once when ended. */
import type { Clock, Timer } from '../ports.ts';

export class Lease {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #onEnd: (() => void) | undefined;
  #untilMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When it ends, wall milliseconds as the clock was when it began; undefined: it does not run. */
  get untilMs(): number | undefined {
    return this.#untilMs;
  }

  /** Takes the place of one that runs, whose `onEnd` is not called. Returns `untilMs`. */
  begin(ms: number, onEnd: () => void): number {
    this.#timer?.cancel();
    this.#onEnd = onEnd;
    this.#untilMs = this.#clock.wallMs() + ms;
    this.#timer = this.#clock.after(ms, () => this.end());
    return this.#untilMs;
  }

  end(): void {
    const onEnd = this.#onEnd;
    this.cancel();
    onEnd?.();
  }

  /** Ends without a word: what it was for is over. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#onEnd = undefined;
    this.#untilMs = undefined;
  }
}
