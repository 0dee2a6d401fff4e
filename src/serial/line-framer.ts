/**
 * Cuts the byte stream of one connection into frames at a delimiter. A frame whose check fails is discarded whole: there is
 * nothing in it to go on from. Neither the delimiter is counted, nor the "\r" that is dropped from a frame with it.
 */
import { frameOutput, type OpenFrame } from './check.ts';
import type { Framer, FramerOutput } from './framer.ts';

export interface LineFramerOptions {
  readonly delimiter: Buffer;
  readonly max: number;
  /** The first bytes may belong to a frame whose beginning was never seen. */
  readonly startsTorn: boolean;
  readonly open?: OpenFrame;
}

const CARRIAGE_RETURN = 0x0d;

export class LineFramer implements Framer {
  readonly #delimiter: Buffer;
  readonly #max: number;
  /** With "\n" a "\r" before it is part of the line's end, not of the frame. */
  readonly #stripsReturn: boolean;
  readonly #open: OpenFrame;
  readonly #held: Buffer;
  #length = 0;
  /** Bytes at the end of the last chunk that may be the beginning of a delimiter. */
  #tail: Buffer = Buffer.alloc(0);
  #skipping: 'torn' | 'oversize' | 'rest' | undefined;
  #skipped = 0;

  constructor(options: LineFramerOptions) {
    this.#delimiter = Buffer.from(options.delimiter);
    this.#max = options.max;
    this.#open = options.open ?? ((frame) => frame);
    this.#stripsReturn = options.delimiter.equals(Buffer.from('\n'));
    this.#held = Buffer.allocUnsafe(options.max + (this.#stripsReturn ? 1 : 0));
    this.#skipping = options.startsTorn ? 'torn' : undefined;
  }

  push(chunk: Buffer): readonly FramerOutput[] {
    const outputs: FramerOutput[] = [];
    const bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(this.#delimiter, from);
      if (at === -1) break;
      this.#take(bytes.subarray(from, at));
      this.#endFrame(outputs);
      from = at + this.#delimiter.length;
    }
    const tailStart = bytes.length - this.#delimiterStartAtEnd(bytes.subarray(from));
    this.#take(bytes.subarray(from, tailStart));
    this.#tail = Buffer.from(bytes.subarray(tailStart));
    this.#reportSkipped(outputs);
    return outputs;
  }

  end(): readonly FramerOutput[] {
    const outputs: FramerOutput[] = [];
    this.#take(this.#tail);
    this.#tail = Buffer.alloc(0);
    this.#reportSkipped(outputs);
    if (this.#length > 0) outputs.push({ kind: 'discarded', count: this.#length, reason: 'closed' });
    this.#length = 0;
    return outputs;
  }

  #take(bytes: Buffer): void {
    if (this.#skipping === undefined && this.#length + bytes.length > this.#held.length) {
      this.#skipping = 'oversize';
      this.#skipped = this.#length;
      this.#length = 0;
    }
    if (this.#skipping !== undefined) {
      this.#skipped += bytes.length;
      return;
    }
    bytes.copy(this.#held, this.#length);
    this.#length += bytes.length;
  }

  #endFrame(outputs: FramerOutput[]): void {
    this.#reportSkipped(outputs);
    const wasSkipping = this.#skipping !== undefined;
    this.#skipping = undefined;
    if (wasSkipping) return;
    const hasReturn = this.#stripsReturn && this.#length > 0 && this.#held[this.#length - 1] === CARRIAGE_RETURN;
    const length = hasReturn ? this.#length - 1 : this.#length;
    if (length > this.#max) outputs.push({ kind: 'discarded', count: this.#length, reason: 'oversize' });
    else if (length > 0) {
      const frame = frameOutput(this.#held.subarray(0, length), this.#open);
      outputs.push(frame ?? { kind: 'discarded', count: this.#length, reason: 'check' });
    }
    this.#length = 0;
  }

  #reportSkipped(outputs: FramerOutput[]): void {
    if (this.#skipping === undefined || this.#skipped === 0) return;
    outputs.push({ kind: 'discarded', count: this.#skipped, reason: this.#skipping });
    this.#skipped = 0;
    if (this.#skipping === 'oversize') this.#skipping = 'rest';
  }

  /** How many of the last bytes are the beginning of a delimiter: the longest such stretch. */
  #delimiterStartAtEnd(bytes: Buffer): number {
    const most = Math.min(bytes.length, this.#delimiter.length - 1);
    for (let length = most; length > 0; length -= 1) {
      if (this.#delimiter.subarray(0, length).equals(bytes.subarray(bytes.length - length))) return length;
    }
    return 0;
  }
}
