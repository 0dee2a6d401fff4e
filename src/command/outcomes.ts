/**
 * What became of the newest commands that changed nothing (reading ones, and whatever was rejected), by id: the same
 * request again gets the same answer and runs nothing, which makes the at-least-once of QoS 1 harmless. In memory only:
 * after a restart they may run again, which is harmless too.
 */
import type { Outcome } from './response.ts';

/** More than any operator sends while an answer may still be on its way. */
const OUTCOMES_MAX = 256;

export type Recalled =
  | { readonly kind: 'new' }
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  /** The id was used with another request. */
  | { readonly kind: 'other' };

export class Outcomes {
  readonly #known = new Map<string, { readonly request: string; readonly outcome: Outcome | undefined }>();

  /** `key` names command and id, `request` is the digest of its bytes. */
  recall(key: string, request: string): Recalled {
    const known = this.#known.get(key);
    if (known === undefined) return { kind: 'new' };
    if (known.request !== request) return { kind: 'other' };
    return known.outcome === undefined ? { kind: 'running' } : { kind: 'done', outcome: known.outcome };
  }

  /** `outcome` undefined: it runs. */
  note(key: string, request: string, outcome: Outcome | undefined): void {
    if (!this.#known.has(key) && this.#known.size >= OUTCOMES_MAX) this.#dropOldest();
    this.#known.set(key, { request, outcome });
  }

  #dropOldest(): void {
    for (const key of this.#known.keys()) {
      this.#known.delete(key);
      return;
    }
  }
}
