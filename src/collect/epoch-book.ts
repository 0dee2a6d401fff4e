/**
 * What a consumer knows of one epoch of a device: which events it has, which will never come, which are lost, which are
 * missing. Pure but for the hashes, which it is handed.
 */
import { type Interval, IntervalSet } from '../ledger/intervals.ts';
import { SEQ_MAX } from './event-text.ts';

/** What of an epoch must outlive a restart and is in no index of events. */
export interface EpochRecord {
  readonly epoch: string;
  /** What `ledger.epoch` says of the one before: '' for the first. */
  readonly oldEpoch: string;
  readonly oldLast: number;
  /** The newest sequence that the device is known to have used. */
  readonly last?: number;
  /** Will never come: named by `ledger.gap`. */
  readonly gaps?: readonly Interval[];
  /** Never came, and the device does not keep it any more. */
  readonly lost?: readonly Interval[];
}

/** The kept events of an epoch. */
export interface Kept {
  readonly had: IntervalSet;
  hashAt(seq: number): string | undefined;
}

export class EpochBook {
  readonly name: string;
  readonly kept: Kept;
  oldEpoch: string;
  oldLast: number;
  /** The newest sequence that the device is known to have used. */
  last: number;
  readonly gaps: IntervalSet;
  readonly #lost: IntervalSet;
  /** Came, and may not be on stable storage yet. */
  readonly came = new IntervalSet();
  /** A receipt asked for them. */
  readonly asked = new IntervalSet();
  /** The device's newest word is that it keeps nothing of it. */
  denied = false;

  constructor({ epoch, oldEpoch, oldLast, last = 0, gaps = [], lost = [] }: EpochRecord, kept: Kept) {
    this.name = epoch;
    this.kept = kept;
    this.oldEpoch = oldEpoch;
    this.oldLast = oldLast;
    this.last = Math.max(last, kept.had.last);
    this.gaps = new IntervalSet(gaps);
    this.#lost = new IntervalSet(lost);
  }

  get record(): EpochRecord {
    const { name: epoch, oldEpoch, oldLast, last, gaps } = this;
    return {
      epoch,
      oldEpoch,
      oldLast,
      ...(last > this.kept.had.last ? { last } : {}),
      ...(gaps.size > 0 ? { gaps: gaps.intervals() } : {}),
      ...(this.#lost.size > 0 ? { lost: this.#lost.intervals() } : {}),
    };
  }

  /** How long the record is. */
  get pieces(): number {
    return this.gaps.pieces + this.#lost.pieces;
  }

  /** The newest sequence up to which nothing is missing: had on stable storage, or known never to come. */
  get through(): number {
    let through = 0;
    for (;;) {
      const next = this.#lost.nextAbsent(this.gaps.nextAbsent(this.kept.had.nextAbsent(through + 1))) - 1;
      if (next === through) return through;
      through = next;
    }
  }

  get done(): boolean {
    return this.through >= this.last;
  }

  missing(through = this.last): Interval[] {
    return without([[1, through]], [this.kept.had, this.came, this.gaps, this.#lost]);
  }

  get lost(): Interval[] {
    return without(this.#lost.intervals(), [this.kept.had, this.came]);
  }

  /** The device has what it keeps from `first` on: nothing of that is lost. Whether that is news. */
  keptFrom(first: number): boolean {
    if (this.#lost.last < first) return false;
    this.#lost.deleteRange(first, SEQ_MAX);
    this.asked.deleteRange(first, SEQ_MAX);
    return true;
  }

  /** Nothing below `first` is on the device: what of it is missing and was asked for is lost. At most `most` ranges. */
  goneBefore(first: number, most: number): readonly Interval[] {
    const found = this.missing(Math.min(this.last, first - 1))
      .flatMap(([from, through]) => this.asked.within(from, through))
      .slice(0, Math.max(0, most));
    for (const [from, through] of found) this.#lost.add(from, through);
    return found;
  }
}

function without(ranges: readonly Interval[], sets: readonly IntervalSet[]): Interval[] {
  const left = new IntervalSet(ranges.filter(([from, through]) => from <= through));
  for (const [low, high] of left.intervals()) {
    for (const set of sets) for (const [from, through] of set.within(low, high)) left.deleteRange(from, through);
  }
  return left.intervals();
}
