/** Cuts the byte stream of one connection into frames at silence. The owner of the line says when there was silence. */
import { frameOutput, type OpenFrame } from './check.ts';
import type { Framer, FramerOutput } from './framer.ts';

export interface GapFramerOptions {
  /** Milliseconds without a byte. */
  readonly silenceMs: number;
  readonly max: number;
  /** The first bytes may belong to a frame whose beginning was never seen. */
  readonly startsTorn: boolean;
  readonly open: OpenFrame;
}

export class GapFramer implements Framer {
  readonly silenceMs: number;
  readonly #open: OpenFrame;
  readonly #held: Buffer;
  #length = 0;
  /** Until the next silence. */
  #skipping: 'torn' | 'oversize' | 'rest' | undefined;

  constructor(options: GapFramerOptions) {
    this.silenceMs = options.silenceMs;
    this.#open = options.open;
    this.#held = Buffer.allocUnsafe(options.max);
    this.#skipping = options.startsTorn ? 'torn' : undefined;
  }

  push(chunk: Buffer): readonly FramerOutput[] {
    if (this.#skipping === undefined && this.#length + chunk.length <= this.#held.length) {
      this.#length += chunk.copy(this.#held, this.#length);
      return [];
    }
    const reason = this.#skipping ?? 'oversize';
    this.#skipping = reason === 'torn' ? 'torn' : 'rest';
    return this.#discard(this.#takeLength() + chunk.length, reason);
  }

  silence(): readonly FramerOutput[] {
    this.#skipping = undefined;
    const frame = this.#held.subarray(0, this.#takeLength());
    if (frame.length === 0) return [];
    const output = frameOutput(frame, this.#open);
    return output === undefined ? this.#discard(frame.length, 'check') : [output];
  }

  end(): readonly FramerOutput[] {
    return this.#discard(this.#takeLength(), 'closed');
  }

  #takeLength(): number {
    const length = this.#length;
    this.#length = 0;
    return length;
  }

  #discard(count: number, reason: 'torn' | 'oversize' | 'rest' | 'check' | 'closed'): readonly FramerOutput[] {
    return count === 0 ? [] : [{ kind: 'discarded', count, reason }];
  }
}
