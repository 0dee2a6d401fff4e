/**
 * A subscription, `down/#` or that of a group: made anew on every connection (a broker may have lost it although the session is
 * said to be present), and tried again slowly where an access rule refuses it. The others are none the worse for that. A
 * broker that does not answer at all counts as one that refuses until it does: events go on over such a link.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log, Timer } from '../ports.ts';
import type { Link } from '../ports-broker.ts';

const AGAIN_MS = 300_000;
/** A broker answers within seconds, over any network; MQTT itself sets no limit. */
const ANSWER_MS = 60_000;

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
  #unanswered: Timer | undefined;
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
    this.#unanswered?.cancel();
  }

  #subscribe(link: Link): void {
    const { filter, log, clock } = this.#options;
    const unanswered = clock.after(ANSWER_MS, () => {
      if (!this.#refused) log.error('broker does not answer a subscription', { filter, after_ms: ANSWER_MS });
      this.#note(link, true);
    });
    this.#unanswered = unanswered;
    link.subscribe(filter, 1).then(
      () => {
        unanswered.cancel();
        if (this.#link !== link) return;
        this.#note(link, false);
        this.#options.onReady();
      },
      (error: unknown) => {
        unanswered.cancel();
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
