/**
 * The way back to the first broker of the list, from one that stands in for it: asked for from time to time without touching
 * the link that is up. A first broker that can be reached and does not hold costs a short break each time, so the time
 * doubles then.
 */
import type { Chance, Clock, Timer } from '../ports.ts';
import type { LinkEnd } from '../ports-broker.ts';

const DOUBLINGS_MAX = 5;
/** Doubled no further; the longest that `broker.returnAfter` may be. */
const WAIT_MS_MAX = 7 * 86_400_000;

export interface ReturnHomeOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Between two looks, milliseconds, and up to half as much again, so that a fleet does not come back at one moment. 0: never. */
  readonly afterMs: number;
  /** Undefined: the first broker could be connected to. */
  readonly probe: () => Promise<LinkEnd | undefined>;
  /** It is there: leave this broker for it. */
  readonly go: () => void;
}

export class ReturnHome {
  readonly #options: ReturnHomeOptions;
  #timer: Timer | undefined;
  /** Which stay it is: a probe that comes back late belongs to an older one. */
  #stay = 0;
  #tries = 0;

  constructor(options: ReturnHomeOptions) {
    this.#options = options;
  }

  /** A link to another broker than the first is up. */
  away(): void {
    this.cancel();
    const { clock, chance, afterMs } = this.#options;
    if (afterMs === 0) return;
    const stay = this.#stay;
    const doubledMs = Math.min(afterMs * 2 ** Math.min(this.#tries, DOUBLINGS_MAX), WAIT_MS_MAX);
    const waitMs = doubledMs * (1 + chance.unit() / 2);
    this.#timer = clock.after(waitMs, () => void this.#look(stay));
  }

  /** That link is gone. */
  cancel(): void {
    this.#stay += 1;
    this.#timer?.cancel();
  }

  /** A link to the first broker has held. */
  held(): void {
    this.#tries = 0;
  }

  async #look(stay: number): Promise<void> {
    const { probe, go } = this.#options;
    const refused = await probe();
    if (stay !== this.#stay) return;
    if (refused !== undefined) return this.away();
    this.#tries += 1;
    go();
  }
}
