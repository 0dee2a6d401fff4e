/**
 * What a consumer knows of one device: which events of which epoch it has, which are missing, and what its receipt says.
 * Pure but for the hashes, which it is handed. A receipt for an epoch says that the consumer is done with the epochs before
 * it; so an older one is completed first.
 */
import { type Interval, IntervalSet } from '../ledger/intervals.ts';

/** Ranges of one receipt. */
const WANT_MAX = 64;

export interface EpochFacts {
  readonly epoch: string;
  /** What `ledger.epoch` says of the one before: '' for the first. */
  readonly oldEpoch: string;
  readonly oldLast: number;
}

/** The kept events of an epoch. */
export interface Kept {
  readonly had: IntervalSet;
  hashAt(seq: number): string | undefined;
}

export interface Receipt {
  readonly epoch: string;
  readonly through: number;
  readonly hash: string | undefined;
  readonly want: readonly Interval[];
}

interface Epoch {
  readonly kept: Kept;
  facts: EpochFacts;
  /** Will never come: named by `ledger.gap`, or no longer on the device. */
  readonly gone: IntervalSet;
  /** The newest sequence that the device is known to have used. */
  last: number;
}

export class DeviceBook {
  readonly #epochs = new Map<string, Epoch>();

  /** In the order in which they followed each other, as far as that is known. */
  get epochs(): readonly string[] {
    return this.#ordered().map(({ facts }) => facts.epoch);
  }

  open(facts: EpochFacts, kept: Kept): void {
    const known = this.#epochs.get(facts.epoch);
    if (known === undefined) {
      const last = kept.had.intervals().at(-1)?.[1] ?? 0;
      this.#epochs.set(facts.epoch, { kept, facts, gone: new IntervalSet(), last });
    }
  }

  /** A `ledger.epoch` event says which epoch came before, and through where. */
  follows(facts: EpochFacts): void {
    const known = this.#epochs.get(facts.epoch);
    if (known !== undefined) known.facts = facts;
  }

  has(epoch: string): boolean {
    return this.#epochs.has(epoch);
  }

  factsOf(epoch: string): EpochFacts | undefined {
    return this.#epochs.get(epoch)?.facts;
  }

  /** An event came, or the status named it. */
  sawLast(epoch: string, seq: number): void {
    const known = this.#epochs.get(epoch);
    if (known !== undefined) known.last = Math.max(known.last, seq);
  }

  /** A `ledger.gap` event names sequences that will never come, or the status says that the ledger begins behind them. */
  neverComes(epoch: string, from: number, through: number): void {
    const known = this.#epochs.get(epoch);
    if (known !== undefined && from >= 1 && through >= from) known.gone.add(from, through);
  }

  /** Sequences below `first` that were never had: the device does not keep them any more. */
  lostBefore(epoch: string, first: number): Interval[] {
    const known = this.#epochs.get(epoch);
    if (known === undefined) return [];
    return missingOf(known, 1, first - 1);
  }

  through(epoch: string): number {
    const known = this.#epochs.get(epoch);
    return known === undefined ? 0 : throughOf(known);
  }

  missing(epoch: string): readonly Interval[] {
    const known = this.#epochs.get(epoch);
    return known === undefined ? [] : missingOf(known, 1, known.last);
  }

  /** Nothing is missing of what the device is known to have accepted. */
  get complete(): boolean {
    const all = this.#ordered();
    return all.length > 0 && all.every((epoch) => throughOf(epoch) >= epoch.last);
  }

  /** What the consumer has to say now. `asks`: whether a missing range is old enough to be asked for. */
  receipt(asks: boolean): Receipt | undefined {
    const all = this.#ordered();
    const due = all.find((epoch) => throughOf(epoch) < epoch.last) ?? all.at(-1);
    if (due === undefined) return undefined;
    let through = throughOf(due);
    const want = asks ? missingOf(due, through + 1, due.last).slice(0, WANT_MAX) : [];
    // The hash must be of an event: what will never come has none.
    while (through > 0 && !due.kept.had.has(through)) through -= 1;
    return { epoch: due.facts.epoch, through, hash: due.kept.hashAt(through), want };
  }

  #ordered(): readonly Epoch[] {
    const left = [...this.#epochs.values()];
    const ordered: Epoch[] = [];
    while (left.length > 0) {
      const at = left.findIndex(({ facts }) => !left.some((one) => one.facts.epoch === facts.oldEpoch));
      ordered.push(...left.splice(Math.max(0, at), 1));
    }
    for (const { facts } of ordered) {
      const before = this.#epochs.get(facts.oldEpoch);
      if (before !== undefined) before.last = Math.max(before.last, facts.oldLast);
    }
    return ordered;
  }
}

function throughOf({ kept, gone }: Epoch): number {
  let through = 0;
  for (;;) {
    const next = gone.nextAbsent(kept.had.nextAbsent(through + 1)) - 1;
    if (next === through) return through;
    through = next;
  }
}

function missingOf({ kept, gone }: Epoch, from: number, through: number): Interval[] {
  const missing = new IntervalSet(through < from ? [] : [[from, through]]);
  for (const [low, high] of kept.had.within(from, through)) missing.deleteRange(low, high);
  for (const [low, high] of gone.within(from, through)) missing.deleteRange(low, high);
  return missing.intervals();
}
