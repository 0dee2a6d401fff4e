/**
 * Reads events back from the segments in order, in windows, for an outbox that is behind. It remembers where it stopped,
 * so draining a backlog reads each byte once. What is damaged is passed over; the sequences missed are returned.
 */
import { systemCodeOf } from '../fault.ts';
import { decodeEventBody, type StoredEvent } from './event.ts';
import type { LedgerReader } from './files.ts';
import { FRAME_HEADER_BYTES, FRAME_KIND, frameAt, frameBytes, headerAt } from './frame.ts';
import type { Interval } from './intervals.ts';
import { readAround } from './read-around.ts';
import { SEGMENT_HEADER_BYTES, type SegmentId, segmentSalt } from './segment.ts';

/** Holds any event four times over; a snapshot larger than this is stepped over by its header. */
const WINDOW_BYTES = 256 * 1024;

export interface ReadableSegment extends SegmentId {
  readonly name: string;
  /** Where its sound frames end; nothing behind it is read. */
  readonly end: number;
  /** The newest sequence that counts in it; a frame beyond is of a refused commit. */
  readonly through: number;
}

export interface EventsRead {
  readonly events: readonly StoredEvent[];
  /** Sequences that should have stood between what was read, and do not. */
  readonly missing: readonly Interval[];
  /** The sequence to go on from. */
  readonly next: number;
}

interface Place {
  readonly life: number;
  readonly seq: number;
  readonly index: number;
  readonly offset: number;
}

export class EventReader {
  readonly #files: LedgerReader;
  #place: Place | undefined;

  constructor(files: LedgerReader) {
    this.#files = files;
  }

  /**
   * Events of `life` from sequence `from` on, until `bytesMax` of them or the end of `segments` (that life's, oldest
   * first). `last` is the newest sequence that should be there.
   */
  async read(segments: readonly ReadableSegment[], from: number, last: number, bytesMax: number): Promise<EventsRead> {
    const events: StoredEvent[] = [];
    const missing: Interval[] = [];
    let next = from;
    let bytes = 0;
    for (const { segment, offset } of this.#route(segments, from)) {
      const walk = walkSegment(this.#files, segment, offset);
      for await (const found of walk) {
        if (found.seq < next) continue;
        if (found.seq > last || found.seq > segment.through) break;
        if (found.seq > next) missing.push([next, found.seq - 1]);
        const event = decodeEventBody(segment.life, segment.epoch, found.seq, found.body);
        events.push(event);
        next = found.seq + 1;
        bytes += event.payload.length;
        if (bytes < bytesMax) continue;
        this.#place = { life: segment.life, seq: next, index: segment.index, offset: found.end };
        return { events, missing, next };
      }
    }
    if (next <= last) missing.push([next, last]);
    return { events, missing, next: Math.max(next, last + 1) };
  }

  *#route(
    segments: readonly ReadableSegment[],
    from: number,
  ): Generator<{ segment: ReadableSegment; offset: number }, void> {
    const place = this.#place;
    let start = segments.findLastIndex((segment) => segment.baseSeq <= from);
    if (start < 0) start = 0;
    for (const segment of segments.slice(start)) {
      const resumes = place?.index === segment.index && place.life === segment.life && place.seq === from;
      yield { segment, offset: resumes ? place.offset : SEGMENT_HEADER_BYTES };
    }
  }
}

/** Every sound event frame of a segment from `offset` on. */
async function* walkSegment(
  files: LedgerReader,
  segment: ReadableSegment,
  offset: number,
): AsyncGenerator<{ seq: number; body: Buffer; end: number }, void> {
  const salt = segmentSalt(segment);
  let windowAt = offset;
  while (windowAt + FRAME_HEADER_BYTES <= segment.end) {
    const length = Math.min(WINDOW_BYTES, segment.end - windowAt);
    const window = await readAround(files, segment.name, windowAt, length).catch(unlessGone);
    if (window === undefined) return;
    const last = windowAt + window.length >= segment.end || window.length < FRAME_HEADER_BYTES;
    let at = 0;
    while (at + FRAME_HEADER_BYTES <= window.length) {
      const found = frameAt(window, at, salt);
      if (found !== undefined) {
        const { kind, seq, body } = found.frame;
        at = found.end;
        if (kind === FRAME_KIND.event) yield { seq, body, end: windowAt + at };
        continue;
      }
      const head = headerAt(window, at, salt);
      const size = head === undefined ? 8 : frameBytes(head.bodyBytes);
      // A frame that reaches out of the window is looked at again from its start, unless it can never fit one.
      if (!last && at + size > window.length && size <= WINDOW_BYTES) break;
      at += size;
    }
    if (at === 0) return;
    windowAt += at;
  }
}

/** A segment that was dropped, or taken away, since it was listed: its events are missed like damaged ones. */
function unlessGone(error: unknown): undefined {
  if (systemCodeOf(error) !== 'ENOENT') throw error;
}
