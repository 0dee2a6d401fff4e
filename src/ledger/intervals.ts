/**
 * A set of whole numbers kept as sorted, disjoint, non-adjacent closed intervals. The ledger uses it for what is handed
 * over and for the numbers a sensor has used: both are nearly contiguous, so a set of millions is a few intervals.
 */
import { IntervalList } from './interval-list.ts';

export type Interval = readonly [from: number, through: number];

export class IntervalSet {
  readonly #list = new IntervalList();
  #size = 0;

  constructor(intervals: Iterable<Interval> = []) {
    for (const [from, through] of intervals) this.add(from, through);
  }

  /** How many numbers are in the set. */
  get size(): number {
    return this.#size;
  }

  /** How many intervals it takes to hold them. */
  get pieces(): number {
    return this.#list.length;
  }

  /** The greatest number in the set; 0 when it is empty. */
  get last(): number {
    const { length } = this.#list;
    return length === 0 ? 0 : this.#list.through(length - 1);
  }

  has(value: number): boolean {
    const at = this.#lastStartingAtOrBelow(value);
    return at >= 0 && this.#list.through(at) >= value;
  }

  add(from: number, through = from): void {
    const { length } = this.#list;
    const end = length === 0 ? -Infinity : this.#list.through(length - 1) + 1;
    if (from < end) return this.#merge(from, through);
    // The usual way: numbers come nearly in order.
    if (from === end) this.#list.setThrough(length - 1, through);
    else this.#list.push(from, through);
    this.#size += through - from + 1;
  }

  #merge(from: number, through: number): void {
    let first = this.#lastStartingAtOrBelow(from);
    if (first < 0 || this.#list.through(first) < from - 1) first += 1;
    let end = first;
    let low = from;
    let high = through;
    while (end < this.#list.length && this.#list.from(end) <= through + 1) {
      low = Math.min(low, this.#list.from(end));
      high = Math.max(high, this.#list.through(end));
      this.#size -= this.#list.through(end) - this.#list.from(end) + 1;
      end += 1;
    }
    this.#list.replace(first, end - first, [[low, high]]);
    this.#size += high - low + 1;
  }

  delete(value: number): void {
    this.deleteRange(value, value);
  }

  /** Takes the closed range out. */
  deleteRange(from: number, through: number): void {
    let first = this.#lastStartingAtOrBelow(from);
    if (first < 0 || this.#list.through(first) < from) first += 1;
    const rest: Interval[] = [];
    let end = first;
    for (; end < this.#list.length && this.#list.from(end) <= through; end += 1) {
      const low = this.#list.from(end);
      const high = this.#list.through(end);
      if (low < from) rest.push([low, from - 1]);
      if (through < high) rest.push([through + 1, high]);
      this.#size -= Math.min(high, through) - Math.max(low, from) + 1;
    }
    if (end > first) this.#list.replace(first, end - first, rest);
  }

  /** The smallest number at or above `value` that is in the set; undefined when there is none. */
  nextPresent(value: number): number | undefined {
    const at = this.#lastStartingAtOrBelow(value);
    if (at >= 0 && this.#list.through(at) >= value) return value;
    return at + 1 < this.#list.length ? this.#list.from(at + 1) : undefined;
  }

  /** The greatest number at or below `value` that is in the set; 0 when there is none. */
  lastPresent(value: number): number {
    const at = this.#lastStartingAtOrBelow(value);
    return at < 0 ? 0 : Math.min(value, this.#list.through(at));
  }

  /** What of the closed range is in the set. */
  within(from: number, through: number): Interval[] {
    const found: Interval[] = [];
    for (let low = this.nextPresent(from); low !== undefined && low <= through; ) {
      const high = Math.min(through, this.nextAbsent(low) - 1);
      found.push([low, high]);
      low = this.nextPresent(high + 1);
    }
    return found;
  }

  /** How many numbers of the closed range are in the set. Asked of nearly all of it, after each commit: counts the rest. */
  countWithin(from: number, through: number): number {
    if (through < from) return 0;
    let count = this.#size;
    for (let at = 0; at < this.#list.length && this.#list.from(at) < from; at += 1) {
      count -= Math.min(this.#list.through(at), from - 1) - this.#list.from(at) + 1;
    }
    for (let at = this.#list.length - 1; at >= 0 && this.#list.through(at) > through; at -= 1) {
      count -= this.#list.through(at) - Math.max(this.#list.from(at), through + 1) + 1;
    }
    return count;
  }

  /** The smallest number at or above `value` that is not in the set. */
  nextAbsent(value: number): number {
    const at = this.#lastStartingAtOrBelow(value);
    if (at < 0) return value;
    const through = this.#list.through(at);
    return through < value ? value : through + 1;
  }

  /** Whether every number of the closed range is in the set. */
  covers(from: number, through: number): boolean {
    return through < from || this.nextAbsent(from) > through;
  }

  clear(): void {
    this.#list.clear();
    this.#size = 0;
  }

  intervals(): Interval[] {
    return Array.from({ length: this.#list.length }, (_, at) => [this.#list.from(at), this.#list.through(at)]);
  }

  #lastStartingAtOrBelow(value: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#list.from(middle) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
