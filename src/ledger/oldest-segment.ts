/**
 * The oldest segment, and its removal when all in it is settled. What is about to be sent again counts as not settled
 * from the moment it is asked for, also while its mark is on the way to the disk: a segment that went in that moment
 * would be missed as damaged by the next start.
 */
import { reasonOf } from '../fault.ts';
import type { Log } from '../ports.ts';
import type { LedgerFiles } from './files.ts';
import { type Marks, reopensThrough } from './marks.ts';
import type { PendingMarks } from './pending-marks.ts';
import { droppable } from './retention.ts';
import type { KnownSegment, SegmentWriter } from './segment-writer.ts';
import type { LedgerState } from './state.ts';

export interface OldestSegmentOptions {
  readonly files: LedgerFiles;
  readonly log: Log;
  readonly writer: SegmentWriter;
  readonly pending: PendingMarks;
  readonly state: () => LedgerState;
}

export class OldestSegment {
  readonly #options: OldestSegmentOptions;
  #removal: Promise<boolean> | undefined;
  /** Marks of the commit that is under way. */
  underway: readonly Marks[] = [];

  constructor(options: OldestSegmentOptions) {
    this.#options = options;
  }

  /** Resolves when none is being removed. Marks that are taken then, and in the same turn, ask for nothing that goes. */
  async stays(): Promise<void> {
    while (this.#removal !== undefined) await this.#removal;
  }

  /** Drops it when all in it is settled. False: it may not go. */
  async drop(): Promise<boolean> {
    const { writer, state, pending } = this.#options;
    const oldest = writer.closed[0];
    const after: { readonly life: number; readonly baseSeq: number } | undefined =
      writer.closed[1] ?? writer.live?.header;
    if (oldest === undefined || after === undefined) return false;
    const through = after.life === oldest.life ? after.baseSeq - 1 : Infinity;
    if (pending.reopens(oldest.life, through) || reopensThrough(this.underway, oldest.life, through)) return false;
    if (!droppable(oldest, after, state())) return false;
    const removal = this.#remove(oldest);
    this.#removal = removal;
    const isGone = await removal;
    if (this.#removal === removal) this.#removal = undefined;
    if (!isGone || writer.closed[0] !== oldest) return isGone;
    writer.closed.shift();
    state().ends.delete(oldest.index);
    state().dropBefore(after.life, after.baseSeq);
    pending.dropBefore(after.life, after.baseSeq);
    return true;
  }

  async #remove({ name }: KnownSegment): Promise<boolean> {
    try {
      await this.#options.files.remove([name]);
      return true;
    } catch (error) {
      this.#options.log.warn('ledger: a settled segment could not be removed', { reason: reasonOf(error) });
      return false;
    }
  }
}
