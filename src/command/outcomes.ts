/**
 * What became of the newest commands that changed nothing (reading ones, and whatever was rejected), by id: the same
 * request again gets the same answer and runs nothing, which makes the at-least-once of QoS 1 harmless. In memory only:
 * after a restart they may run again, which is harmless too.
 */
import type { Outcome } from './response.ts';

/** More than any operator sends while an answer may still be on its way. */
const OUTCOMES_MAX = 256;
/** Of all outcomes together: a captured line has 90 KiB. */
const BYTES_MAX = 1024 * 1024;

export type Recalled =
  | { readonly kind: 'new' }
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  /** The id was used with another request. */
  | { readonly kind: 'other' };

interface Known {
  readonly request: string;
  readonly outcome: Outcome | undefined;
  /** Of the outcome. */
  readonly bytes: number;
}

export class Outcomes {
  readonly #known = new Map<string, Known>();
  #bytes = 0;

  /** `key` names command and id, `request` is the digest of its bytes. */
  recall(key: string, request: string): Recalled {
    const known = this.#known.get(key);
    if (known === undefined) return { kind: 'new' };
    if (known.request !== request) return { kind: 'other' };
    return known.outcome === undefined ? { kind: 'running' } : { kind: 'done', outcome: known.outcome };
  }

  /** `outcome` undefined: it runs. */
  note(key: string, request: string, outcome: Outcome | undefined): void {
    const bytes = outcome === undefined ? 0 : Buffer.byteLength(JSON.stringify(outcome), 'utf8');
    const before = this.#known.get(key);
    if (before !== undefined) this.#drop(key, before);
    else if (this.#known.size >= OUTCOMES_MAX) this.#dropOldest();
    while (this.#bytes > 0 && this.#bytes + bytes > BYTES_MAX) this.#dropOldest();
    this.#known.set(key, { request, outcome, bytes });
    this.#bytes += bytes;
  }

  /** As if it had never been asked. */
  forget(key: string): void {
    const known = this.#known.get(key);
    if (known !== undefined) this.#drop(key, known);
  }

  #dropOldest(): void {
    for (const [key, known] of this.#known) return this.#drop(key, known);
  }

  #drop(key: string, { bytes }: Known): void {
    this.#known.delete(key);
    this.#bytes -= bytes;
  }
}
