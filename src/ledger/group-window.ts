/**
 * Group commit: how long a new event may wait for others before one commit takes them all. It is a latency, and saves
 * writes: until the commit is synced the event is not accepted and its sensor not answered, so nothing that was promised
 * can be lost by it. What becomes of events (marks, sessions) never waits here.
 */
import { APPENDS_WAITING_MAX } from '../limits.ts';
import type { Clock, Timer } from '../ports.ts';

/** So many do not wait any longer: half of what may wait at all, so that a burst is never refused for the window. */
const WAITING_ENOUGH = APPENDS_WAITING_MAX / 2;

export class GroupWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #onOver: () => void;
  #timer: Timer | undefined;
  #over = false;

  /** `windowMs` 0: no event waits. `onOver`: a commit is due. */
  constructor(clock: Clock, windowMs: number, onOver: () => void) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#onOver = onOver;
  }

  /** What waits is due: the next commit takes it. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Events wait, `waiting` of them. */
  add(waiting: number): void {
    if (this.#windowMs === 0 || waiting >= WAITING_ENOUGH) this.end();
    else this.#timer ??= this.#clock.after(this.#windowMs, () => this.end());
  }

  end(): void {
    this.close();
    this.#over = true;
    this.#onOver();
  }

  /** A commit takes what waits. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#over = false;
  }
}
