/**
 * How old a segment is, as far as that is sure. The time of its last event counts where a synchronised clock stamped it;
 * dates of files do not, they are whatever a clock said when it was wrong. A segment that ends with an event of a worse
 * clock is as old as the next one that is sure: younger than it really is, so it stays too long and never too short.
 */
import { parseStamp } from './event-age.ts';
import { EventReader, type ReadableSegment } from './event-reader.ts';
import type { LedgerReader } from './files.ts';

/** Segments read at one look, where none is sure: each is read once in all. */
const READS_MAX = 8;

export class SegmentAges {
  readonly #files: LedgerReader;
  /** By index; undefined: not sure. */
  readonly #dates = new Map<number, number | undefined>();

  constructor(files: LedgerReader) {
    this.#files = files;
  }

  /** When the oldest of these ended, wall milliseconds, at the latest; undefined: nobody knows, or not yet. */
  async ofOldest(segments: readonly ReadableSegment[]): Promise<number | undefined> {
    this.#forgetBefore(segments[0]?.index ?? 0);
    let reads = 0;
    for (const segment of segments) {
      if (!this.#dates.has(segment.index)) {
        if (reads >= READS_MAX) return undefined;
        reads += 1;
        this.#dates.set(segment.index, await this.#dateOf(segment));
      }
      const date = this.#dates.get(segment.index);
      if (date !== undefined) return date;
    }
    return undefined;
  }

  #forgetBefore(index: number): void {
    for (const known of this.#dates.keys()) if (known < index) this.#dates.delete(known);
  }

  async #dateOf(segment: ReadableSegment): Promise<number | undefined> {
    const { through, baseSeq } = segment;
    if (through < baseSeq) return undefined;
    const { events } = await new EventReader(this.#files).read([segment], through, through, 1);
    const [event] = events;
    if (event === undefined) return undefined;
    const { timeMs, clock } = parseStamp(event.payload);
    return clock === 'synced' ? timeMs : undefined;
  }
}
