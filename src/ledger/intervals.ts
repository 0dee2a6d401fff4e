/**
 * A set of whole numbers kept as sorted, disjoint, non-adjacent closed intervals. The ledger uses it for what is handed
 * over and for the numbers a sensor has used: both are nearly contiguous, so a set of millions is a few intervals.
 */
export type Interval = readonly [from: number, through: number];

export class IntervalSet {
  readonly #from: number[] = [];
  readonly #through: number[] = [];
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
    return this.#from.length;
  }

  /** The greatest number in the set; 0 when it is empty. */
  get last(): number {
    return this.#through.at(-1) ?? 0;
  }

  has(value: number): boolean {
    const at = this.#lastStartingAtOrBelow(value);
    return at >= 0 && (this.#through[at] as number) >= value;
  }

  add(from: number, through = from): void {
    const end = (this.#through.at(-1) ?? -Infinity) + 1;
    if (from >= end) return this.#append(from, through, from === end);
    this.#merge(from, through);
  }

  /** The usual way: numbers come nearly in order. */
  #append(from: number, through: number, adjacent: boolean): void {
    if (adjacent) this.#through[this.#through.length - 1] = through;
    else {
      this.#from.push(from);
      this.#through.push(through);
    }
    this.#size += through - from + 1;
  }

  #merge(from: number, through: number): void {
    let first = this.#lastStartingAtOrBelow(from);
    if (first < 0 || (this.#through[first] as number) < from - 1) first += 1;
    let end = first;
    let low = from;
    let high = through;
    while (end < this.#from.length && (this.#from[end] as number) <= through + 1) {
      low = Math.min(low, this.#from[end] as number);
      high = Math.max(high, this.#through[end] as number);
      this.#size -= (this.#through[end] as number) - (this.#from[end] as number) + 1;
      end += 1;
    }
    this.#from.splice(first, end - first, low);
    this.#through.splice(first, end - first, high);
    this.#size += high - low + 1;
  }

  delete(value: number): void {
    const at = this.#lastStartingAtOrBelow(value);
    if (at < 0) return;
    const from = this.#from[at] as number;
    const through = this.#through[at] as number;
    if (through < value) return;
    const rest: Interval[] = [];
    if (from < value) rest.push([from, value - 1]);
    if (value < through) rest.push([value + 1, through]);
    this.#from.splice(at, 1, ...rest.map((piece) => piece[0]));
    this.#through.splice(at, 1, ...rest.map((piece) => piece[1]));
    this.#size -= 1;
  }

  /** Takes the closed range out. */
  deleteRange(from: number, through: number): void {
    const first = this.#lastStartingAtOrBelow(from);
    let at = first >= 0 && (this.#through[first] as number) >= from ? first : first + 1;
    while (at < this.#from.length && (this.#from[at] as number) <= through) {
      const low = this.#from[at] as number;
      const high = this.#through[at] as number;
      const rest: Interval[] = [];
      if (low < from) rest.push([low, from - 1]);
      if (through < high) rest.push([through + 1, high]);
      this.#from.splice(at, 1, ...rest.map((piece) => piece[0]));
      this.#through.splice(at, 1, ...rest.map((piece) => piece[1]));
      this.#size -= Math.min(high, through) - Math.max(low, from) + 1;
      at += rest.length;
    }
  }

  /** The smallest number at or above `value` that is in the set; undefined when there is none. */
  nextPresent(value: number): number | undefined {
    const at = this.#lastStartingAtOrBelow(value);
    if (at >= 0 && (this.#through[at] as number) >= value) return value;
    return this.#from[at + 1];
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
    for (let at = 0; at < this.#from.length && (this.#from[at] as number) < from; at += 1) {
      count -= Math.min(this.#through[at] as number, from - 1) - (this.#from[at] as number) + 1;
    }
    for (let at = this.#from.length - 1; at >= 0 && (this.#through[at] as number) > through; at -= 1) {
      count -= (this.#through[at] as number) - Math.max(this.#from[at] as number, through + 1) + 1;
    }
    return count;
  }

  /** The smallest number at or above `value` that is not in the set. */
  nextAbsent(value: number): number {
    const at = this.#lastStartingAtOrBelow(value);
    if (at < 0) return value;
    const through = this.#through[at] as number;
    return through < value ? value : through + 1;
  }

  /** Whether every number of the closed range is in the set. */
  covers(from: number, through: number): boolean {
    return through < from || this.nextAbsent(from) > through;
  }

  clear(): void {
    this.#from.length = 0;
    this.#through.length = 0;
    this.#size = 0;
  }

  intervals(): Interval[] {
    return this.#from.map((from, at) => [from, this.#through[at] as number]);
  }

  #lastStartingAtOrBelow(value: number): number {
    let low = 0;
    let high = this.#from.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#from[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
