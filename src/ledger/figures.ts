/** What the ledger reports of itself. */
import type { Life } from './state.ts';

/** Each began by an accident; a list of so many says nothing of those that are not in it. */
export const OLDER_EPOCHS_MAX = 16;

/** An epoch before the live one of which something is kept. */
export interface OlderEpoch {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
}

export interface LedgerFigures {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  /** Oldest first, at most OLDER_EPOCHS_MAX. What stands here may still come, and what does not, never. */
  readonly older: readonly OlderEpoch[];
  readonly unsent: number;
  readonly unsettled: number;
  readonly dead: number;
  readonly bytes: number;
  /** Why events are refused now, or undefined. */
  readonly refusing: { readonly code: string; readonly reason: string } | undefined;
  readonly refused: number;
  /** Events accepted since the ledger was opened. */
  readonly accepted: number;
  readonly quarantined: number;
}

export function olderEpochs(lives: readonly Life[]): OlderEpoch[] {
  return lives
    .slice(0, -1)
    .slice(0, OLDER_EPOCHS_MAX)
    .map(({ epoch, first, last }) => ({ epoch, first, last }));
}
