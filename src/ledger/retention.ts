/**
 * Which segment may go. Only whole segments are dropped, oldest first, and only when every event in them is settled:
 * handed over (with receipts off) or named as lost. Dead letters keep theirs until an operator decides.
 */
import type { KnownSegment } from './segment-writer.ts';
import { type LedgerState, settledRange } from './state.ts';

/** `after` is the segment that follows; it tells where `oldest` ends. */
export function droppable(
  oldest: KnownSegment,
  after: { readonly life: number; readonly baseSeq: number },
  state: LedgerState,
): boolean {
  const life = state.life(oldest.life);
  if (life === undefined) return true;
  const through = after.life === oldest.life ? after.baseSeq - 1 : life.last;
  return settledRange(life, oldest.baseSeq, through);
}

/** Where a closed segment's sound frames end. */
export function segmentEnd(segment: KnownSegment, state: LedgerState): number {
  return state.ends.get(segment.index) ?? segment.used;
}
