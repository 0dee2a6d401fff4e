/**
 * Which segment may go. Only whole segments are dropped, oldest first, and only when every event in them is settled:
 * handed over, and with receipts on covered by one, or named as lost. Dead letters keep theirs until an operator decides.
 */
import type { ReadableSegment } from './event-reader.ts';
import type { SegmentHeader, SegmentId } from './segment.ts';
import { voidBehind } from './segment.ts';
import type { KnownSegment } from './segment-writer.ts';
import { type LedgerState, type Life, settledRange } from './state.ts';

/** `after` is the segment that follows; it tells where `oldest` ends. */
export function droppable(
  oldest: KnownSegment,
  after: { readonly life: number; readonly baseSeq: number },
  state: LedgerState,
): boolean {
  const life = state.life(oldest.life);
  if (life === undefined) return true;
  const through = after.life === oldest.life ? after.baseSeq - 1 : life.last;
  return settledRange(life, oldest.baseSeq, through, state.receipts);
}

/** The segments of `life` as a reader may see them: each to where its sound frames end and its sequences count. */
export function readableSegments(
  life: Life,
  closed: readonly KnownSegment[],
  live: { readonly header: SegmentHeader; readonly name: string; readonly offset: number } | undefined,
  state: LedgerState,
): ReadableSegment[] {
  const known: (SegmentId & { readonly name: string; readonly end: number })[] = closed.map((segment) => ({
    ...segment,
    end: state.ends.get(segment.index) ?? segment.used,
  }));
  if (live !== undefined) known.push({ ...live.header, name: live.name, end: live.offset });
  const ours = known.filter((segment) => segment.life === life.ordinal);
  return ours.map((segment, at) => ({ ...segment, through: voidBehind(segment, ours[at + 1]) }));
}
