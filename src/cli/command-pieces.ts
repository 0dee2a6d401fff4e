/**
 * A result that comes in pieces (docs/CONTRACT.md), put together and checked: each piece by its own sha256, the whole by the
 * one that the final answer names. What came twice, because the link went, counts once. Bounded.
 */
import { createHash } from 'node:crypto';

type Document = Readonly<Record<string, unknown>>;

/** Sixteen times what a device sends. */
const BYTES_MAX = 16 * 1024 * 1024;

/** What a result stands for. */
export interface Whole {
  readonly bytes: Buffer;
  /** By the sha256 that the answer names. */
  readonly isChecked: boolean;
}

export class Pieces {
  readonly #pieces = new Map<number, Buffer>();
  #bytes = 0;

  /** False: the response holds no sound piece. */
  take({ chunk }: Document): boolean {
    if (typeof chunk !== 'object' || chunk === null) return false;
    const { index, data, sha256 } = chunk as Document;
    if (typeof index !== 'number' || typeof data !== 'string') return false;
    const bytes = Buffer.from(data, 'base64');
    if (sha256Of(bytes) !== sha256 || this.#bytes + bytes.length > BYTES_MAX) return false;
    if (!this.#pieces.has(index)) this.#bytes += bytes.length;
    this.#pieces.set(index, bytes);
    return true;
  }

  /** The whole that a final result stands for; a text: why there is none. */
  whole(result: unknown): Whole | string {
    const { data, csr, chunks, sha256 } = (typeof result === 'object' && result !== null ? result : {}) as Document;
    if (typeof data === 'string') return { bytes: Buffer.from(data, 'base64'), isChecked: false };
    // The text of a file, as openssl wants it.
    if (typeof csr === 'string') return { bytes: Buffer.from(csr, 'utf8'), isChecked: false };
    if (typeof chunks !== 'number') return 'the result is whole in the answer: there is nothing to put together';
    const sound = [...this.#pieces].filter(([index]) => index < chunks).sort(([one], [other]) => one - other);
    if (sound.length < chunks) return `${chunks - sound.length} of ${chunks} pieces did not come: ask again`;
    const whole = Buffer.concat(sound.map(([, piece]) => piece));
    return sha256Of(whole) === sha256
      ? { bytes: whole, isChecked: true }
      : 'the pieces do not come to the sha256 of the answer: ask again';
  }
}

/** For people, in place of the bytes. */
export function withoutBytes(response: Document): Document {
  const { chunk } = response;
  if (typeof chunk !== 'object' || chunk === null) return response;
  const { index, of } = chunk as Document;
  return { ...response, chunk: `${Number(index) + 1} of ${Number(of)}` };
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
