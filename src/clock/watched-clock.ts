/**
 * The agent's clock: the system's, and what its wall time is worth at this very moment. Whatever stamps an event asks here,
 * so a clock that was set a millisecond ago is not called synchronised any more: against the monotonic clock every step
 * shows at once. What the time service says comes in through `confirm`; the floor through `raise`.
 */
import type { ClockQuality, FlooredClock, RawClock, Timer } from '../ports.ts';
import { BUILT_MS, judgeClock, worseOf } from './quality.ts';

/**
 * The wall clock moves against the monotonic one only when it is set: corrections by frequency move both. Two seconds are
 * more than a leap second, and less than matters to a sale.
 */
export const STEP_MS = 2000;
/** A process may be held up between two readings of clocks: such a pair says nothing. */
const HELD_UP_MS = 100;

export class WatchedClock implements FlooredClock {
  readonly #clock: RawClock;
  #floorMs = BUILT_MS;
  #synchronised = false;
  /** Wall less monotonic time, as it was when last looked at. */
  #offsetMs: number;
  #steps = 0;
  #worst: ClockQuality | undefined;
  #onStep: () => void = () => undefined;

  constructor(clock: RawClock) {
    this.#clock = clock;
    this.#offsetMs = clock.wallMs() - clock.monotonicMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(ms: number, run: () => void): Timer {
    return this.#clock.after(ms, run);
  }

  soon(run: () => void): void {
    this.#clock.soon(run);
  }

  get floorMs(): number {
    return this.#floorMs;
  }

  /** How often the clock was set since the start, as far as anybody looked. */
  get steps(): number {
    this.#look();
    return this.#steps;
  }

  quality(): ClockQuality {
    const wallMs = this.#look();
    const quality = judgeClock({ wallMs, floorMs: this.#floorMs, synchronised: this.#synchronised });
    this.#worst = worseOf(quality, this.#worst ?? quality);
    return quality;
  }

  /** The worst that `quality` has said since this was last asked. */
  takeWorst(): ClockQuality {
    const now = this.quality();
    const worst = this.#worst ?? now;
    this.#worst = undefined;
    return worst;
  }

  /** What the time service says now; `steps` as they were when it was asked: a clock that was set since is not meant. */
  confirm(synchronised: boolean, steps: number): void {
    this.#synchronised = synchronised && steps === this.steps;
    if (!this.#synchronised || this.#floorMs <= this.wallMs()) return;
    this.#floorMs = Math.max(BUILT_MS, this.wallMs());
  }

  /** It is this late at least. */
  raise(wallMs: number): void {
    this.#floorMs = Math.max(this.#floorMs, wallMs);
  }

  /** Called, in the turn after, when somebody has seen that the clock was set. */
  onStep(listener: () => void): void {
    this.#onStep = listener;
  }

  #look(): number {
    const beforeMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    const afterMs = this.#clock.monotonicMs();
    const offsetMs = wallMs - afterMs;
    if (afterMs - beforeMs > HELD_UP_MS || Math.abs(offsetMs - this.#offsetMs) <= STEP_MS) return wallMs;
    this.#offsetMs = offsetMs;
    this.#synchronised = false;
    this.#steps += 1;
    this.#clock.soon(() => this.#onStep());
    return wallMs;
  }
}
