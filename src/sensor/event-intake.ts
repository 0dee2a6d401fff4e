/**
 * Events of one sensor on their way into the ledger, and the answers back. Answers go out in the order of the frames, only
 * after the ledger has said `accepted` or `repeat`, and only on the connection that the frame came from. How many may wait
 * is bounded: beyond that a frame is not accepted and not answered, and the sensor sends it again.
 */
import { reasonOf } from '../fault.ts';
import { APPENDS_WAITING_MAX } from '../limits.ts';
import type { AppendResult, EventDraft, EventSink } from '../ports.ts';
import type { Reports } from './reports.ts';

export interface IntakeCounters {
  accepted: number;
  repeats: number;
  conflicts: number;
  refused: number;
  /** Not accepted because too many waited. */
  overflow: number;
  answered: number;
  /** The connection was gone, or took nothing, when the answer was due. */
  unanswered: number;
}

export interface EventIntakeOptions {
  readonly events: EventSink;
  readonly write: (generation: number, bytes: Buffer) => Promise<void>;
  readonly reports: Reports;
  /** Of each event that is new, in order: whether its number was used with other content, so that it is in no ledger. */
  readonly onJudged: (isConflict: boolean) => void;
}

interface Waiting {
  readonly generation: number;
  readonly draft: EventDraft;
  readonly answer: Buffer | undefined;
  readonly onResult: (isNew: boolean) => void;
  readonly result: Promise<AppendResult>;
}

export class EventIntake {
  readonly #options: EventIntakeOptions;
  readonly #waiting: Waiting[] = [];
  #settling: Promise<void> = Promise.resolve();
  readonly counters: IntakeCounters = {
    accepted: 0,
    repeats: 0,
    conflicts: 0,
    refused: 0,
    overflow: 0,
    answered: 0,
    unanswered: 0,
  };

  constructor(options: EventIntakeOptions) {
    this.#options = options;
  }

  /** `onResult`: whether this is now an event of the ledger; a repeat is none. */
  add(
    generation: number,
    draft: EventDraft,
    answer: Buffer | undefined,
    onResult: (isNew: boolean) => void = () => undefined,
  ): void {
    const { events, reports } = this.#options;
    if (this.#waiting.length >= APPENDS_WAITING_MAX) {
      this.counters.overflow += 1;
      reports.trouble('overflow', 'event not accepted: too many wait for the disk', { reason: 'overflow' });
      return onResult(false);
    }
    const result = events.append(draft).catch(
      // A sink does not reject; if one does, the event is not known to be on disk.
      (error: unknown): AppendResult => ({ kind: 'refused', code: 'ledger.disk', reason: reasonOf(error) }),
    );
    this.#waiting.push({ generation, draft, answer, onResult, result });
    if (this.#waiting.length === 1) this.#settling = this.#settleAll();
  }

  /** Resolves when every event added so far has its result, and its answer where one is due. */
  idle(): Promise<void> {
    return this.#settling;
  }

  async #settleAll(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const result = await next.result;
      const isKept = this.#report(next, result);
      if (result.kind === 'conflict' || result.kind === 'accepted') this.#options.onJudged(result.kind === 'conflict');
      next.onResult(result.kind === 'accepted');
      if (isKept && next.answer !== undefined) await this.#answer(next.generation, next.answer);
      this.#waiting.shift();
    }
  }

  /** True when the sensor may be answered. */
  #report(waiting: Waiting, result: AppendResult): boolean {
    const { reports } = this.#options;
    const { source } = waiting.draft;
    const number = source === undefined ? undefined : `${source.epoch}/${source.seq}`;
    switch (result.kind) {
      case 'accepted':
        this.counters.accepted += 1;
        for (const topic of ['refused', 'conflict', 'overflow']) reports.over(topic);
        return true;
      case 'repeat':
        this.counters.repeats += 1;
        return true;
      case 'conflict':
        this.counters.conflicts += 1;
        reports.trouble('conflict', 'event not accepted: its number was used with other content; not answered', {
          reason: 'conflict',
          source: number,
        });
        return false;
      case 'refused':
        this.counters.refused += 1;
        reports.trouble('refused', 'event not accepted; not answered', {
          reason: `${result.code}: ${result.reason}`,
          source: number,
        });
        return false;
    }
  }

  async #answer(generation: number, bytes: Buffer): Promise<void> {
    try {
      await this.#options.write(generation, bytes);
      this.counters.answered += 1;
      this.#options.reports.over('answer');
    } catch (error) {
      this.counters.unanswered += 1;
      this.#options.reports.trouble('answer', 'answer not written; the sensor will ask again', {
        reason: reasonOf(error),
      });
    }
  }
}
