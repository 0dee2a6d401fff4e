/**
 * What a consumer knows of one epoch of a device: which events it has, which will never come, which are lost, which are
 * missing. Pure but for the hashes, which it is handed.
 */
import { type Interval, IntervalSet } from '../ledger/intervals.ts';

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

  missing(): Interval[] {
    return without([[1, this.last]], [this.kept.had, this.came, this.gaps, this.#lost]);
  }

  get lost(): Interval[] {
    return without(this.#lost.intervals(), [this.kept.had, this.came]);
  }

  /** The device keeps these: nothing of them is lost. Whether that is news. */
  keeps(first: number, through: number): boolean {
    if (this.#lost.within(first, through).length === 0) return false;
    this.#lost.deleteRange(first, through);
    this.asked.deleteRange(first, through);
    return true;
  }

  /** The device keeps nothing but these: what else is missing and was asked for is lost. At most `most` ranges. */
  keepsOnly(first: number, through: number, most: number): readonly Interval[] {
    const gone = new IntervalSet(this.missing());
    gone.deleteRange(first, through);
    const found = gone
      .intervals()
      .flatMap(([from, to]) => this.asked.within(from, to))
      .slice(0, Math.max(0, most));
    for (const [from, to] of found) this.#lost.add(from, to);
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
