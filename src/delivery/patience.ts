/**
 * How long the sender waits for a broker that does not answer the exchange whose turn it is; then the link is given up. A
 * broker that is slow, and answers them one by one, is not.
 */
import type { Clock, Timer } from '../ports.ts';
import type { Link } from '../ports-broker.ts';
import type { Flight } from './flight.ts';

/** Milliseconds. */
const ANSWER_MS = 30_000;

export class Patience {
  readonly #clock: Clock;
  #waiting: { readonly awaited: object; readonly timer: Timer } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called whenever the flight has changed: the time begins anew with each turn. */
  with({ awaited }: Flight, link: Link): void {
    if (awaited === this.#waiting?.awaited) return;
    this.end();
    if (awaited === undefined) return;
    const timer = this.#clock.after(ANSWER_MS, () => {
      const text = `no acknowledgement of event ${awaited.seq} for ${ANSWER_MS / 1000} s`;
      link.destroy({ word: 'broker.silent', text });
    });
    this.#waiting = { awaited, timer };
  }

  end(): void {
    this.#waiting?.timer.cancel();
    this.#waiting = undefined;
  }
}
