/**
 * The framer of all framings whose frames begin with a start mark. What looks like a frame and is none costs only its first
 * byte: the search goes on right behind that, so a frame that noise seemed to swallow is found. Cutting and reasons depend
 * on nothing but the bytes; where the chunks end does not matter.
 *
 * A line that sends overlapping frames with wrong checks could make every byte be checked `max` times. So the bytes of
 * failed frames are held against the bytes that were let go, and when they are far more the next failed frame goes whole:
 * never are more than 17 bytes checked for one received, plus 17 times `max`. Then a good frame that began in the failed
 * one is lost with it.
 */
import { frameOutput, type OpenFrame } from './check.ts';
import type { Framer, FramerOutput } from './framer.ts';

/**
 * - `more`: not to be said yet. In the first `looked` bytes there is nothing to find, they need no second look.
 * - `frame`: so many bytes long, perhaps longer than what is held or than `max`. `looked`: as above, for a start mark in it.
 * - `none`: no frame begins here.
 */
export type Measure =
  | { readonly kind: 'more'; readonly looked: number }
  | { readonly kind: 'frame'; readonly length: number; readonly looked: number }
  | { readonly kind: 'none' };

/** What the frames of a framing look like. */
export interface FrameShape {
  readonly start: Buffer;
  readonly max: number;
  /**
   * Judges bytes that begin with a start mark, at most `max` of them. Pure, and never takes back with more bytes what it
   * has said with fewer.
   */
  measure(held: Buffer, looked: number): Measure;
}

/** Checked bytes that one byte let go pays for. */
const WORK_PER_BYTE = 16;
const HELD_BYTES_MIN = 4096;

export class MarkedFramer implements Framer {
  readonly #shape: FrameShape;
  readonly #open: OpenFrame;
  readonly #workMax: number;
  /** Held are [from, to): a start mark, its beginning, or nothing. Twice `max`, so that a move to the front is rare. */
  readonly #bytes: Buffer;
  #from = 0;
  #to = 0;
  /** Bytes from `from` on that the shape need not see again. */
  #looked = 0;
  /** Bytes of failed frames that no byte let go has paid for. */
  #work = 0;
  /** Bytes of noise that are not told yet. */
  #noise = 0;

  constructor(shape: FrameShape, open: OpenFrame) {
    this.#shape = shape;
    this.#open = open;
    this.#workMax = WORK_PER_BYTE * shape.max;
    this.#bytes = Buffer.allocUnsafe(Math.max(HELD_BYTES_MIN, 2 * shape.max));
  }

  push(chunk: Buffer): readonly FramerOutput[] {
    const outputs: FramerOutput[] = [];
    for (let taken = 0; taken < chunk.length; ) {
      if (this.#to === this.#bytes.length) this.#moveToFront();
      const count = chunk.copy(this.#bytes, this.#to, taken);
      this.#to += count;
      taken += count;
      this.#cut(outputs);
    }
    this.#tellNoise(outputs);
    return outputs;
  }

  /** A start mark whose frame is not complete may hide a whole frame behind it. */
  end(): readonly FramerOutput[] {
    const outputs: FramerOutput[] = [];
    while (this.#to > this.#from) {
      this.#fail(this.#to - this.#from, 'closed', outputs);
      this.#cut(outputs);
    }
    this.#tellNoise(outputs);
    return outputs;
  }

  #cut(outputs: FramerOutput[]): void {
    const { start, max } = this.#shape;
    for (;;) {
      this.#dropNoise(this.#startIn(this.#from, this.#to) - this.#from);
      if (this.#to - this.#from < start.length) return;
      const held = this.#bytes.subarray(this.#from, Math.min(this.#to, this.#from + max));
      const measure = this.#shape.measure(held, this.#looked);
      if (measure.kind === 'none') {
        this.#looked = 0;
        this.#dropNoise(1);
        continue;
      }
      this.#looked = measure.looked;
      if (measure.kind === 'frame' && measure.length <= held.length)
        this.#take(held.subarray(0, measure.length), outputs);
      else if (held.length === max) this.#fail(max, 'oversize', outputs);
      else return;
    }
  }

  #take(bytes: Buffer, outputs: FramerOutput[]): void {
    const frame = frameOutput(bytes, this.#open);
    if (frame === undefined) {
      this.#work += bytes.length;
      this.#fail(bytes.length, 'check', outputs);
      return;
    }
    this.#tellNoise(outputs);
    outputs.push(frame);
    this.#drop(bytes.length);
  }

  /** Lets go what looked like a frame, up to the next start mark in it. */
  #fail(length: number, reason: 'check' | 'oversize' | 'closed', outputs: FramerOutput[]): void {
    const end = this.#from + length;
    const next = this.#work > this.#workMax ? end : this.#startIn(this.#from + 1, end);
    const count = next - this.#from;
    this.#tellNoise(outputs);
    outputs.push({ kind: 'discarded', count, reason });
    this.#drop(count);
  }

  #dropNoise(count: number): void {
    this.#noise += count;
    this.#drop(count);
  }

  #drop(count: number): void {
    this.#from += count;
    this.#looked = Math.max(0, this.#looked - count);
    this.#work = Math.max(0, this.#work - WORK_PER_BYTE * count);
  }

  #tellNoise(outputs: FramerOutput[]): void {
    if (this.#noise > 0) outputs.push({ kind: 'discarded', count: this.#noise, reason: 'noise' });
    this.#noise = 0;
  }

  /** The first place in [from, to) where a start mark stands, or as much of one as there is room for; `to`: none. */
  #startIn(from: number, to: number): number {
    const { start } = this.#shape;
    // Mostly it stands right here; then there is no need of a view, which costs more than the look.
    if (to - from >= start.length && standsAt(this.#bytes, from, start)) return from;
    const whole = this.#bytes.subarray(from, to).indexOf(start);
    if (whole !== -1) return from + whole;
    for (let at = Math.max(from, to - start.length + 1); at < to; at += 1) {
      if (standsAt(this.#bytes, at, start, to - at)) return at;
    }
    return to;
  }

  #moveToFront(): void {
    this.#bytes.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
  }
}

/** True where the first `count` bytes of a mark stand at `at`. Marks are too short for a native call to pay. */
export function standsAt(bytes: Buffer, at: number, mark: Buffer, count = mark.length): boolean {
  for (let index = 0; index < count; index += 1) {
    if (bytes[at + index] !== mark[index]) return false;
  }
  return true;
}
