/**
 * What became of the newest commands, by id: the same request again gets the same answer and runs nothing, which makes the
 * at-least-once of QoS 1 harmless. In memory only: this version has reading commands alone, which may run again after a
 * restart.
 */
import { createHash } from 'node:crypto';
import type { Outcome } from './response.ts';

/** More than any operator sends while an answer may still be on its way. */
const OUTCOMES_MAX = 256;

interface Known {
  readonly request: string;
  outcome: Outcome | undefined;
}

export type Recalled =
  | { readonly kind: 'new' }
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  /** The id was used with another request. */
  | { readonly kind: 'other' };

export class Outcomes {
  readonly #known = new Map<string, Known>();

  /** Takes note of a new request; tells what is known of an old one. `key` names command and id. */
  begin(key: string, payload: Buffer): Recalled {
    const request = createHash('sha256').update(payload).digest('base64url');
    const known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= OUTCOMES_MAX) this.#dropOldest();
      this.#known.set(key, { request, outcome: undefined });
      return { kind: 'new' };
    }
    if (known.request !== request) return { kind: 'other' };
    return known.outcome === undefined ? { kind: 'running' } : { kind: 'done', outcome: known.outcome };
  }

  end(key: string, outcome: Outcome): void {
    const known = this.#known.get(key);
    if (known !== undefined) known.outcome = outcome;
  }

  #dropOldest(): void {
    for (const key of this.#known.keys()) {
      this.#known.delete(key);
      return;
    }
  }
}
