/**
 * A subscription, `down/#` or that of a group: made anew on every connection (a broker may have lost it although the session is
 * said to be present), and tried again slowly where an access rule refuses it. The others are none the worse for that.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log, Timer } from '../ports.ts';
import type { Link } from '../ports-broker.ts';

const AGAIN_MS = 300_000;

export interface SubscriptionOptions {
  readonly filter: string;
  readonly clock: Clock;
  readonly log: Log;
  /** `refused` has changed. */
  readonly onChange: () => void;
  /** The link brings what is published to us. */
  readonly onReady: () => void;
}

export class Subscription {
  readonly #options: SubscriptionOptions;
  #link: Link | undefined;
  #again: Timer | undefined;
  #refused = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  get filter(): string {
    return this.#options.filter;
  }

  /** What it is for does not reach this device. */
  get refused(): boolean {
    return this.#refused;
  }

  up(link: Link): void {
    this.#link = link;
    this.#subscribe(link);
  }

  down(): void {
    this.#link = undefined;
    this.#again?.cancel();
  }

  #subscribe(link: Link): void {
    const { filter, log, clock } = this.#options;
    link.subscribe(filter, 1).then(
      () => {
        this.#note(link, false);
        if (this.#link === link) this.#options.onReady();
      },
      (error: unknown) => {
        if (this.#link !== link) return;
        if (!this.#refused) log.error('broker refuses a subscription', { filter, reason: reasonOf(error) });
        this.#again = clock.after(AGAIN_MS, () => this.#subscribe(link));
        this.#note(link, true);
      },
    );
  }

  #note(link: Link, refused: boolean): void {
    if (this.#link !== link || this.#refused === refused) return;
    this.#refused = refused;
    this.#options.onChange();
  }
}
