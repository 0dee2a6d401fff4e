/**
 * Marks that wait for the next commit. `released`, `dead` and `reopened` ask for one at once, because something waits for
 * them on disk; `handed` and `settled` are lazy, because losing them only repeats a PUBREL, or waits for the receipt again.
 */
import { type Interval, IntervalSet } from './intervals.ts';
import type { Marks } from './marks.ts';
import { deadWithin, type UnnamedGap } from './state.ts';

interface LifeMarks {
  readonly released: IntervalSet;
  readonly handed: IntervalSet;
  readonly settled: IntervalSet;
  readonly reopened: IntervalSet;
  readonly dead: Map<number, number>;
}

export class PendingMarks {
  readonly #lives = new Map<number, LifeMarks>();

  get empty(): boolean {
    return this.#lives.size === 0;
  }

  /** Whether something waits for these marks to be on disk. */
  get urgent(): boolean {
    return [...this.#lives.values()].some(
      ({ released, dead, reopened }) => released.size + dead.size + reopened.size > 0,
    );
  }

  release(life: number, seq: number): void {
    this.#of(life).released.add(seq);
  }

  handOver(life: number, from: number, through: number): void {
    const marks = this.#of(life);
    marks.handed.add(from, through);
    marks.reopened.deleteRange(from, through);
    for (const seq of deadWithin(marks.dead, from, through)) marks.dead.delete(seq);
  }

  settle(life: number, from: number, through: number): void {
    this.#of(life).settled.add(from, through);
  }

  reopen(life: number, from: number, through: number): void {
    this.#of(life).reopened.add(from, through);
  }

  /** Whether something of this life through `through` waits to be marked as to be sent again. */
  reopens(life: number, through: number): boolean {
    const first = this.#lives.get(life)?.reopened.nextPresent(0);
    return first !== undefined && first <= through;
  }

  /** What was dropped is not sent again. */
  dropBefore(ordinal: number, baseSeq: number): void {
    for (const [life, { reopened }] of this.#lives) {
      if (life < ordinal) reopened.clear();
      else if (life === ordinal) reopened.deleteRange(0, baseSeq - 1);
    }
  }

  /** Sequences of a life whose `handed` mark waits. */
  handedOf(life: number): readonly Interval[] {
    return this.#lives.get(life)?.handed.intervals() ?? [];
  }

  /** Those of them that lie in the closed range. */
  handedWithin(life: number, from: number, through: number): readonly Interval[] {
    return this.#lives.get(life)?.handed.within(from, through) ?? [];
  }

  bury(life: number, seq: number, code: number): void {
    this.#of(life).dead.set(seq, code);
  }

  /** Takes everything out, for a commit; but what is handed over `later`, with the event that names it, waits. */
  take(later: readonly UnnamedGap[] = []): Marks[] {
    const groups: Marks[] = [];
    const waiting = later.map(({ life, from, through }) => ({ life, ranges: this.handedWithin(life, from, through) }));
    for (const { life, ranges } of waiting) {
      for (const [from, through] of ranges) this.#of(life).handed.deleteRange(from, through);
    }
    for (const [life, marks] of this.#lives) {
      if (marks.released.size > 0) groups.push({ kind: 'released', code: 0, life, ranges: marks.released.intervals() });
      if (marks.settled.size > 0) groups.push({ kind: 'settled', code: 0, life, ranges: marks.settled.intervals() });
      if (marks.handed.size > 0) groups.push({ kind: 'handed', code: 0, life, ranges: marks.handed.intervals() });
      for (const [seq, code] of marks.dead) groups.push({ kind: 'dead', code, life, ranges: [[seq, seq]] });
      // Last: what is to be sent again was handed over, or dead, before.
      if (marks.reopened.size > 0) groups.push({ kind: 'reopened', code: 0, life, ranges: marks.reopened.intervals() });
    }
    this.#lives.clear();
    for (const { life, ranges } of waiting)
      for (const [from, through] of ranges) this.#of(life).handed.add(from, through);
    return groups;
  }

  /** Puts back what a failed commit could not write. */
  putBack(groups: readonly Marks[]): void {
    for (const { kind, code, life, ranges } of groups) {
      const marks = this.#of(life);
      for (const [from, through] of ranges) {
        if (kind === 'released') marks.released.add(from, through);
        else if (kind === 'handed') marks.handed.add(from, through);
        else if (kind === 'settled') marks.settled.add(from, through);
        else if (kind === 'reopened') marks.reopened.add(from, through);
        else marks.dead.set(from, code);
      }
    }
  }

  #of(life: number): LifeMarks {
    const known = this.#lives.get(life);
    if (known !== undefined) return known;
    const made = {
      released: new IntervalSet(),
      handed: new IntervalSet(),
      settled: new IntervalSet(),
      reopened: new IntervalSet(),
      dead: new Map<number, number>(),
    };
    this.#lives.set(life, made);
    return made;
  }
}
