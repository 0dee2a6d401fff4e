/**
 * A sorted list of closed intervals, in one row of numbers with a gap where it was last changed (a gap buffer). Changes
 * come nearly in order, so the next one is close by: it costs what lies between the two places, not the length of the
 * list. Without that a hundred thousand changes to a list as long would be minutes of moving numbers.
 *
 *   +----------------------+-----------+----------------------+-----------+
 *   | intervals before gap | gap       | intervals behind it  | spare     |   two numbers each: from, through
 *   +----------------------+-----------+----------------------+-----------+
 *   0                      gapAt       gapAt + gap            count + gap
 */
type Piece = readonly [from: number, through: number];

const NONE = new Float64Array(0);
/** Most lists hold one interval or two, and so small a row is cheap to make. */
const INTERVALS_MIN = 4;

export class IntervalList {
  #row = NONE;
  #count = 0;
  #gapAt = 0;
  #gap = 0;

  get length(): number {
    return this.#count;
  }

  from(at: number): number {
    return this.#row[this.#cell(at)] as number;
  }

  through(at: number): number {
    return this.#row[this.#cell(at) + 1] as number;
  }

  setThrough(at: number, through: number): void {
    this.#row[this.#cell(at) + 1] = through;
  }

  /** The usual way to grow; leaves the gap where it is. */
  push(from: number, through: number): void {
    if (2 * (this.#count + this.#gap) >= this.#row.length) this.#layOut(0);
    const cell = 2 * (this.#count + this.#gap);
    this.#row[cell] = from;
    this.#row[cell + 1] = through;
    this.#count += 1;
  }

  /** Puts `pieces` in the place of `removed` intervals from index `at` on. */
  replace(at: number, removed: number, pieces: readonly Piece[]): void {
    this.#moveGap(at);
    this.#gap += removed;
    this.#count -= removed;
    if (this.#gap < pieces.length) this.#layOut(pieces.length);
    for (const [from, through] of pieces) {
      this.#row[2 * this.#gapAt] = from;
      this.#row[2 * this.#gapAt + 1] = through;
      this.#gapAt += 1;
    }
    this.#gap -= pieces.length;
    this.#count += pieces.length;
    if (8 * this.#count < this.#row.length) this.#layOut(0);
  }

  clear(): void {
    this.#row = NONE;
    this.#count = 0;
    this.#gapAt = 0;
    this.#gap = 0;
  }

  #cell(at: number): number {
    return 2 * (at < this.#gapAt ? at : at + this.#gap);
  }

  #moveGap(at: number): void {
    if (at < this.#gapAt) this.#row.copyWithin(2 * (at + this.#gap), 2 * at, 2 * this.#gapAt);
    else this.#row.copyWithin(2 * this.#gapAt, 2 * (this.#gapAt + this.#gap), 2 * (at + this.#gap));
    this.#gapAt = at;
  }

  /** A new row with room on both sides: half as much as the list again, so that it is seldom needed. */
  #layOut(gapMin: number): void {
    const room = Math.max(INTERVALS_MIN, this.#count >> 1);
    const gap = gapMin === 0 ? 0 : gapMin + room;
    const row = new Float64Array(2 * (this.#count + gap + room));
    row.set(this.#row.subarray(0, 2 * this.#gapAt));
    const behind = this.#row.subarray(2 * (this.#gapAt + this.#gap), 2 * (this.#count + this.#gap));
    row.set(behind, 2 * (this.#gapAt + gap));
    this.#row = row;
    this.#gap = gap;
  }
}
