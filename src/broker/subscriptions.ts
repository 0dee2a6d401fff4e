/** All that comes down to this device: what is for it alone, and what is for the groups that it is in. */
import type { Link } from '../ports-broker.ts';
import { Subscription, type SubscriptionOptions } from './subscription.ts';
import type { Topics } from './topics.ts';

export class Subscriptions {
  readonly #topics: Topics;
  readonly #each: readonly Subscription[];

  constructor({ topics, ...options }: Omit<SubscriptionOptions, 'filter'> & { readonly topics: Topics }) {
    this.#topics = topics;
    const filters = [topics.downAll, ...topics.groups.map(({ filter }) => filter)];
    const onReady = (filter: string): void => {
      if (filter === topics.downAll) options.onReady();
    };
    this.#each = filters.map((filter) => new Subscription({ ...options, filter, onReady: () => onReady(filter) }));
  }

  /** Filters that an access rule refuses, below the device's root where they are. */
  get refused(): readonly string[] {
    return this.#each.filter(({ refused }) => refused).map(({ filter }) => this.#topics.below(filter));
  }

  up(link: Link): void {
    for (const one of this.#each) one.up(link);
  }

  down(): void {
    for (const one of this.#each) one.down();
  }
}
