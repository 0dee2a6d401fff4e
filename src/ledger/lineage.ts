/**
 * What the first event of an epoch (`ledger.epoch`) says of the one before, held against what is there: an older epoch
 * whose end was taken away shows by it, since that event is signed and chained like any other. Pure.
 */
import type { AgentWord } from './agent-words.ts';

export interface KnownEpoch {
  readonly epoch: string;
  /** The newest sequence that is there; one before the first when none is. */
  readonly last: number;
}

export interface MissingRange {
  readonly epoch: string;
  readonly from: number;
  readonly through: number;
}

/**
 * The end of the older epoch as far as it is not there, or undefined. `before`: what stands before, in order; nothing at
 * all is how a ledger looks whose oldest segments were dropped.
 */
export function missingEnd(
  word: Extract<AgentWord, { kind: 'epoch' }>,
  before: readonly KnownEpoch[],
): MissingRange | undefined {
  const newest = before.at(-1);
  if (newest === undefined || word.old === '') return undefined;
  // An epoch may have ended before its first event; then the one before it is the newest that has any.
  const from = newest.epoch === word.old ? newest.last + 1 : 1;
  return word.oldLast < from ? undefined : { epoch: word.old, from, through: word.oldLast };
}
