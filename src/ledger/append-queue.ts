/**
 * Drafts on their way into the ledger. Here a repeat is told from something new, also while the first copy is still
 * being written: the second waits for the fate of the first.
 */
import { APPENDS_WAITING_MAX } from '../limits.ts';
import type { AppendResult, ClockQuality, EventDraft } from '../ports.ts';
import { draftFault } from './event.ts';
import { contentDigest, parseSourceSeq, type Sources } from './sources.ts';

/** A draft with the moment it came in, waiting for a commit. */
export interface WaitingAppend {
  readonly draft: EventDraft;
  /** `contentDigest` of the draft, where its source needed one. */
  readonly digest?: string;
  readonly timeMs: number;
  readonly uptimeMs: number;
  readonly clock: ClockQuality;
  readonly resolve: (result: AppendResult) => void;
}

export type Moment = Pick<WaitingAppend, 'timeMs' | 'uptimeMs' | 'clock'>;

interface Underway {
  readonly digest: string;
  readonly result: Promise<AppendResult>;
}

export class AppendQueue {
  readonly #waiting: WaitingAppend[] = [];
  readonly #underway = new Map<string, Underway>();

  get length(): number {
    return this.#waiting.length;
  }

  /** Queues the draft, unless what it is can be said at once. */
  add(draft: EventDraft, sources: Sources, moment: Moment): Promise<AppendResult> {
    const fault = draftFault(draft);
    if (fault !== undefined) return refusal('event.invalid', fault);
    const { source } = draft;
    if (source === undefined) return this.#enqueue(draft, moment);
    const seq = parseSourceSeq(source.seq);
    if (seq === undefined) {
      return refusal(
        'event.invalid',
        `source number must be a whole number below 2^53, got "${source.seq.slice(0, 40)}"`,
      );
    }
    const digest = contentDigest(draft.stream, draft.type, draft.data);
    const verdict = sources.judge(draft.sensor, source.epoch, seq, digest);
    if (verdict === 'repeat') return Promise.resolve({ kind: 'repeat' });
    if (verdict !== 'new') return Promise.resolve({ kind: 'conflict' });
    const key = JSON.stringify([draft.sensor, source.epoch, seq]);
    const first = this.#underway.get(key);
    if (first !== undefined)
      return first.digest === digest ? repeatOf(first.result) : Promise.resolve({ kind: 'conflict' });
    const result = this.#enqueue(draft, moment, digest);
    this.#underway.set(key, { digest, result });
    const forget = (): void => void this.#underway.delete(key);
    result.then(forget, forget);
    return result;
  }

  /** The oldest waiting drafts, at most `countMax`. */
  take(countMax: number): WaitingAppend[] {
    return this.#waiting.splice(0, countMax);
  }

  /** Puts drafts back to the front, in their order. */
  putBack(appends: readonly WaitingAppend[]): void {
    this.#waiting.unshift(...appends);
  }

  #enqueue(draft: EventDraft, moment: Moment, digest?: string): Promise<AppendResult> {
    if (this.#waiting.length >= APPENDS_WAITING_MAX) {
      return refusal('ledger.busy', `${this.#waiting.length} events already wait for the disk`);
    }
    return new Promise((resolve) =>
      this.#waiting.push({ draft, ...moment, resolve, ...(digest === undefined ? {} : { digest }) }),
    );
  }
}

async function repeatOf(first: Promise<AppendResult>): Promise<AppendResult> {
  const result = await first;
  return result.kind === 'accepted' ? { kind: 'repeat' } : result;
}

function refusal(code: string, reason: string): Promise<AppendResult> {
  return Promise.resolve({ kind: 'refused', code, reason });
}
