/**
 * Looks at the deadline of a trial as long as something is on trial. By steps of a second at most: the time that counts is
 * the boot's, which goes on while the machine sleeps, and timers do not.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';

/** How often it is looked at. */
const LOOK_MS = 1000;

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds until it; undefined: nothing is on trial. */
  readonly left: () => number | undefined;
  /** Takes the trial back if its time is up. */
  readonly look: () => Promise<void>;
}

export class Deadline {
  readonly #options: DeadlineOptions;
  #watches = false;

  constructor(options: DeadlineOptions) {
    this.#options = options;
  }

  /** Whenever something may be on trial that was not before. */
  watch(): void {
    const { clock, log, left, look } = this.#options;
    const leftMs = left();
    if (leftMs === undefined || this.#watches) return;
    this.#watches = true;
    clock.after(Math.min(LOOK_MS, Math.max(0, leftMs)), () => {
      this.#watches = false;
      look()
        .catch((error: unknown) => log.error('configuration on trial: not looked at', { reason: reasonOf(error) }))
        .finally(() => this.watch());
    });
  }
}
