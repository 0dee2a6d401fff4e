/**
 * What becomes of events after they were handed over: settled by the consumer's receipt, sent again because it asked or
 * because the broker forgot, or given up. Only marks: the commit loop writes them, and the state changes by what was
 * written.
 */
import type { Committer } from './committer.ts';
import { type Interval, IntervalSet } from './intervals.ts';
import type { Marks } from './marks.ts';
import { deadWithin, freshCount, type LedgerState, type Life } from './state.ts';

export class Settlement {
  readonly #committer: Committer;
  readonly #state: () => LedgerState;
  /** By life: what is about to be sent in another way, or not at all, until the disk knows that. */
  readonly #changing = new Map<number, IntervalSet>();

  constructor(committer: Committer, state: () => LedgerState) {
    this.#committer = committer;
    this.#state = state;
  }

  /** Lives that something is kept of, oldest first. */
  get lives(): readonly Life[] {
    return this.#state().lives;
  }

  /** The newest sequence through which the consumer is known to have everything. */
  settledThrough(life: Life): number {
    return life.settled.nextAbsent(life.first) - 1;
  }

  /** The consumer has everything of this life through `through`. Written with the next commit, or soon. */
  settle(life: Life, through: number): void {
    const last = Math.min(through, life.last);
    if (last < life.first || life.settled.covers(life.first, last)) return;
    this.#committer.marks.settle(life.ordinal, life.first, last);
    this.#committer.scheduleLazily();
  }

  /**
   * Sends again what of the closed range was handed over or is a dead letter, as far as it is kept. Returns which; they
   * leave once that is on disk.
   */
  reopen(life: Life, from: number, through: number): IntervalSet {
    const { marks } = this.#committer;
    const [low, high] = [Math.max(from, life.first), Math.min(through, life.last)];
    const again = new IntervalSet(life.handed.within(low, high));
    for (const [start, end] of marks.handedWithin(life.ordinal, low, high)) again.add(start, end);
    for (const seq of deadWithin(life.dead, low, high).sort((a, b) => a - b)) again.add(seq);
    for (const [start, end] of life.lost.within(low, high)) again.deleteRange(start, end);
    for (const [start, end] of again.intervals()) marks.reopen(life.ordinal, start, end);
    if (again.size > 0) this.#committer.schedule();
    return again;
  }

  /** Sends the dead letters of a life again. Returns how many. */
  reopenDead(life: Life): number {
    const dead = new IntervalSet();
    for (const seq of [...life.dead.keys()].sort((a, b) => a - b)) dead.add(seq);
    return dead.intervals().reduce((count, [from, through]) => count + this.reopen(life, from, through).size, 0);
  }

  /** Takes back a `reopen` of what has not left again: the consumer turned out to have it. It must not leave from now on. */
  unreopen(life: Life, ranges: readonly Interval[]): void {
    for (const [from, through] of ranges) this.#committer.marks.handOver(life.ordinal, from, through);
    this.#change(life, ranges);
  }

  /**
   * New events of an old epoch whose streams are paused: they are to be sent again, so that the next epoch does not wait for
   * them. No exchange of theirs may be under way. They must not leave as they are from now on.
   */
  postpone(life: Life, ranges: readonly Interval[]): void {
    for (const [from, through] of ranges) this.#committer.marks.reopen(life.ordinal, from, through);
    this.#change(life, ranges);
  }

  /** Whether a later life has new events. */
  hasNewer(life: Life): boolean {
    return this.lives.some((other) => other.ordinal > life.ordinal && freshCount(other) > 0);
  }

  /** Whether this event must not leave now: how it is to be sent is about to change, and the disk does not know it yet. */
  isChanging(life: Life, seq: number): boolean {
    return this.#changing.get(life.ordinal)?.has(seq) === true;
  }

  /** All such events of a life. */
  changing(life: Life): readonly Interval[] {
    return this.#changing.get(life.ordinal)?.intervals() ?? [];
  }

  /** These marks are on disk. */
  committed(marks: readonly Marks[]): void {
    if (this.#changing.size === 0) return;
    for (const { kind, life, ranges } of marks) {
      const changing = this.#changing.get(life);
      if (changing === undefined || (kind !== 'handed' && kind !== 'reopened')) continue;
      for (const [from, through] of ranges) changing.deleteRange(from, through);
      if (changing.size === 0) this.#changing.delete(life);
    }
  }

  #change(life: Life, ranges: readonly Interval[]): void {
    if (ranges.length === 0) return;
    const changing = this.#changing.get(life.ordinal) ?? new IntervalSet();
    for (const [from, through] of ranges) changing.add(from, through);
    this.#changing.set(life.ordinal, changing);
    this.#committer.schedule();
  }

  /** A dead letter that nobody wants any more: named in a `ledger.gap`, so that no consumer waits for it. */
  giveUp(life: Life, seq: number): boolean {
    if (!life.dead.has(seq) || life.lost.has(seq)) return false;
    this.#committer.marks.handOver(life.ordinal, seq, seq);
    this.#state().declareGap(life, seq, seq, 'given-up');
    this.#committer.schedule();
    return true;
  }

  /** A new life with this epoch: what is accepted from now on belongs to it. What is owed of the old one stays owed. */
  startEpoch(epoch: string): void {
    const { live } = this.#state();
    if (live !== undefined) this.#state().startLife(live.ordinal + 1, epoch);
    this.#committer.schedule();
  }
}
