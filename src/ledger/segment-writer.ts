/**
 * The newest segment, and the zero-filled files that will follow it. A `spare` of full size is made in the background,
 * so rolling over never waits for a disk to be zeroed; a small `reserve` takes over when no spare can be made, so that
 * marks, and with them delivery and repair, go on while a full disk refuses new events.
 */
import { invariant, reasonOf } from '../fault.ts';
import type { Log } from '../ports.ts';
import type { DurableFile, LedgerFiles } from './files.ts';
import { encodeFrame, FRAME_HEADER_BYTES, FRAME_KIND, type FrameKind, frameBytes } from './frame.ts';
import type { TailNote } from './notes.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentName, segmentSalt } from './segment.ts';
import { type EncodedSnapshot, encodeSnapshot } from './snapshot.ts';
import type { LedgerState, Life } from './state.ts';

const SPARE = 'spare';
const RESERVE = 'reserve';
/** Room for some thousand commits of marks: more than the events of one segment need to be handed over and dropped. */
const RESERVE_BYTES = 1024 * 1024;
/** Both copies of a snapshot that has grown since to twice its size. */
const RESERVE_SNAPSHOTS = 4;
/** A snapshot up to this has that room in the smallest reserve, and as much is left for marks. */
const RESERVED_SNAPSHOT_BYTES = 128 * 1024;
/** What the end of a segment keeps free of events, so that marks rarely need the reserve. */
const MARKS_ROOM = 32 * 1024;
/** What file systems and memory cards write at least. */
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(64 * 1024);

/** A segment that is in the directory, oldest first in the writer's list. */
export interface KnownSegment {
  readonly index: number;
  readonly life: number;
  readonly epoch: string;
  readonly baseSeq: number;
  readonly name: string;
  /** Bytes that count against `maxBytes`: what is used of the file. */
  readonly used: number;
}

export interface FrameDraft {
  readonly kind: FrameKind;
  readonly seq: number;
  readonly body: readonly Buffer[];
}

interface LiveSegment {
  readonly header: SegmentHeader;
  readonly name: string;
  readonly file: DurableFile;
  readonly salt: number;
  offset: number;
  commit: number;
}

export interface SegmentWriterOptions {
  readonly files: LedgerFiles;
  readonly log: Log;
  readonly segmentBytes: number;
  /** Told when a spare could not be made (a full disk), and undefined when one could again. */
  readonly onSpare: (failure: string | undefined) => void;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  readonly closed: KnownSegment[] = [];
  #live: LiveSegment | undefined;
  /** True, or why it could not be made. */
  #spare: Promise<true | Error> | undefined;
  #background: Promise<void> = Promise.resolve();
  #nextIndex = 1;
  #reserveWanted = RESERVE_BYTES;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  get live(): { readonly header: SegmentHeader; readonly name: string; readonly offset: number } | undefined {
    return this.#live;
  }

  /** Where the newest finished commit ended. */
  tailNote(seq: number): TailNote | undefined {
    const live = this.#live;
    if (live === undefined) return undefined;
    return { life: live.header.life, index: live.header.index, end: live.offset, seq };
  }

  get usedBytes(): number {
    return this.closed.reduce((sum, segment) => sum + segment.used, this.#live?.offset ?? 0);
  }

  /** Takes over what recovery found; appending goes on in `live` where there is one. */
  async adopt(
    closed: readonly KnownSegment[],
    live: { readonly header: SegmentHeader; readonly offset: number; readonly commit: number } | undefined,
    notedIndex: number,
  ): Promise<void> {
    this.closed.push(...closed);
    this.#nextIndex = Math.max(notedIndex, closed.at(-1)?.index ?? 0, live?.header.index ?? 0) + 1;
    if (live === undefined) return;
    const name = segmentName(live.header);
    const file = await this.#options.files.openDurable(name);
    this.#live = { ...live, name, file, salt: segmentSalt(live.header) };
  }

  /** Whether a commit of `bytes` fits the newest segment. */
  fits(bytes: number, withEvents: boolean): boolean {
    const live = this.#live;
    if (live === undefined || (withEvents && live.header.reserve)) return false;
    const room = live.header.bytes - live.offset - FRAME_HEADER_BYTES;
    return bytes <= room - (withEvents ? marksRoom(live.header.bytes) : 0);
  }

  /** Writes frames as one commit; they are on stable storage when this resolves. Rejects with the system's error. */
  async write(frames: readonly FrameDraft[]): Promise<void> {
    const live = this.#live;
    invariant(live !== undefined, 'a commit needs a live segment');
    const size = commitBytes(frames);
    invariant(live.offset + size <= live.header.bytes, 'a commit must fit its segment');
    const padding = paddingBehind(live.offset, size, live.header.bytes);
    const bytes = Buffer.allocUnsafe(size + padding);
    live.commit = (live.commit + 1) & 0xffff;
    let at = 0;
    for (const { kind, seq, body } of frames) at = encodeFrame(bytes, at, live.salt, kind, live.commit, seq, body);
    if (padding > 0) {
      const zeros = ZEROS.subarray(0, padding - FRAME_HEADER_BYTES);
      at = encodeFrame(bytes, at, live.salt, FRAME_KIND.padding, live.commit, 0, [zeros]);
    }
    await live.file.write(bytes, live.offset);
    live.offset += at;
  }

  /** After a failed write nothing more is written to that file: what stands behind its offset is void. */
  async abandonLive(state: LedgerState): Promise<void> {
    if (this.#live !== undefined) state.ends.set(this.#live.header.index, this.#live.offset);
    await this.#seal();
  }

  /**
   * Opens the next segment, with a snapshot of `state` at its head and room for a commit of `need` bytes. Rejects when no
   * file for it can be had.
   */
  async roll(state: LedgerState, life: Life, use: 'spare' | 'reserve', need: number): Promise<void> {
    const made = await this.#takeSpare();
    if (use === 'spare' && made !== true) throw made;
    // No bound may refuse it: without a next segment no mark is kept, so nothing drains that made it so large.
    const snapshot = encodeSnapshot(state);
    this.#reserveWanted = reserveFor(snapshot.body.length);
    const headBytes = SEGMENT_HEADER_BYTES + 2 * frameBytes(snapshot.body.length);
    let source = use === 'spare' ? SPARE : RESERVE;
    let bytes = use === 'spare' ? this.#options.segmentBytes : await this.#sizeOf(RESERVE);
    if (use === 'reserve' && !isWhole(bytes)) throw new Error('there is no whole reserve');
    const least = headBytes + need + marksRoom(bytes) + FRAME_HEADER_BYTES;
    if (least > bytes) {
      source = SPARE;
      bytes = 2 * ((least + 7) & ~7);
      await this.#makeZeroed(source, bytes);
    }
    const index = this.#nextIndex;
    const { ordinal, epoch, last } = life;
    const header = { index, life: ordinal, epoch, baseSeq: last + 1, bytes, reserve: use === 'reserve' };
    await this.#open(header, source, snapshot, headBytes);
    this.prepare();
  }

  /** Before the first `prepare`: what was recovered may need a larger reserve. */
  expect(state: LedgerState): void {
    this.#reserveWanted = reserveFor(encodeSnapshot(state).body.length);
  }

  /** Makes the spare and the reserve in the background, unless they are there. Safe to call at any time. */
  prepare(): void {
    this.#spare ??= this.#makeSpare().then((made) => {
      if (made !== true) this.#spare = undefined;
      this.#options.onSpare(made === true ? undefined : made.message);
      return made;
    });
  }

  async close(): Promise<void> {
    await this.#spare;
    await this.#background;
    const live = this.#live;
    this.#live = undefined;
    if (live !== undefined) await live.file.close();
  }

  async #open(
    header: SegmentHeader,
    source: string,
    { body, version }: EncodedSnapshot,
    headBytes: number,
  ): Promise<void> {
    const { files } = this.#options;
    const salt = segmentSalt(header);
    const head = Buffer.alloc(headBytes);
    encodeSegmentHeader(header, version).copy(head);
    const second = encodeFrame(head, SEGMENT_HEADER_BYTES, salt, FRAME_KIND.snapshot, 0, 0, [body]);
    encodeFrame(head, second, salt, FRAME_KIND.snapshot, 0, 0, [body]);
    const file = await files.openDurable(source);
    const name = segmentName(header);
    const before = this.#live;
    let renaming = false;
    try {
      await file.write(head, 0);
      renaming = true;
      await files.rename(source, name);
    } catch (error) {
      await file.close().catch(() => undefined);
      // The new name may be on disk all the same. Its snapshot must stay the newest state: nothing is written before it.
      if (renaming) {
        this.#nextIndex = header.index + 1;
        await this.#seal();
      }
      throw error;
    }
    this.#nextIndex = header.index + 1;
    this.#live = { header, name, file, salt, offset: headBytes, commit: 0 };
    if (before !== undefined) this.#finish(before);
  }

  /** The full segment is told that it has a successor, so that a missing successor is noticed. */
  #finish(full: LiveSegment): void {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES);
    encodeFrame(frame, 0, full.salt, FRAME_KIND.rolled, full.commit + 1, 0, []);
    this.#retire(full);
    this.#background = this.#background.then(async () => {
      try {
        await full.file.write(frame, full.offset);
      } catch (error) {
        this.#options.log.warn('ledger segment could not be closed', { segment: full.name, reason: reasonOf(error) });
      } finally {
        await full.file.close().catch(() => undefined);
      }
    });
  }

  async #seal(): Promise<void> {
    const live = this.#live;
    if (live === undefined) return;
    this.#retire(live);
    await live.file.close().catch(() => undefined);
  }

  #retire(live: LiveSegment): void {
    const { header, name, offset } = live;
    this.closed.push({ ...header, name, used: offset });
    if (this.#live === live) this.#live = undefined;
  }

  async #takeSpare(): Promise<true | Error> {
    this.prepare();
    const made = (await this.#spare) ?? new Error('no zero-filled segment could be made');
    this.#spare = undefined;
    return made;
  }

  async #makeSpare(): Promise<true | Error> {
    try {
      // The reserve first: on a disk that fills up, repair is worth more than the next events.
      await this.#makeReserve(this.#reserveWanted);
      await this.#makeZeroed(SPARE, this.#options.segmentBytes);
      return true;
    } catch (error) {
      return new Error(`no zero-filled segment could be made: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** One that is larger than need be is as good, and a smaller one stays until there is room for what is wanted. */
  async #makeReserve(wanted: number): Promise<void> {
    const found = await this.#sizeOf(RESERVE);
    // It holds nothing, and its header would claim what the file does not have. It goes first: there may be no room for a whole one.
    if (found > 0 && !isWhole(found)) await this.#options.files.remove([RESERVE]);
    await this.#makeZeroed(RESERVE, isWhole(found) ? Math.max(found, wanted) : wanted);
  }

  async #makeZeroed(name: string, bytes: number): Promise<void> {
    const { files } = this.#options;
    if (await this.#isZeroed(name, bytes)) return;
    // Asked first: a full disk is tried again and again, and each try would write what fits (a memory card's life).
    // A spare of another size makes room for the new one; a reserve that is too small is better than none.
    const free = (await files.freeBytes()) + (name === SPARE ? await this.#sizeOf(name) : 0);
    if (free < bytes) throw new Error(`${bytes} bytes are needed and ${free} are free on the disk`);
    try {
      await files.makeZeroed(name, bytes);
    } catch (error) {
      // A partly written file takes the room that something else may need more.
      await files.remove([name]).catch(() => undefined);
      throw error;
    }
  }

  async #sizeOf(name: string): Promise<number> {
    return (await this.#options.files.list()).find((file) => file.name === name)?.bytes ?? 0;
  }

  async #isZeroed(name: string, bytes: number): Promise<boolean> {
    if ((await this.#sizeOf(name)) !== bytes) return false;
    for (let at = 0; at < bytes; at += ZEROS.length) {
      const part = await this.#options.files.read(name, at, Math.min(ZEROS.length, bytes - at));
      if (!part.equals(ZEROS.subarray(0, part.length))) return false;
    }
    return true;
  }
}

export function commitBytes(frames: readonly FrameDraft[]): number {
  let bytes = 0;
  for (const { body } of frames) {
    let bodyBytes = 0;
    for (const part of body) bodyBytes += part.length;
    bytes += frameBytes(bodyBytes);
  }
  return bytes;
}

/**
 * A commit that ends just before a block's end is filled up to it: the next one then does not write that block again.
 * It saves up to a fifth of what a memory card has to write; an eighth of the commit is the most that it may cost.
 */
function paddingBehind(offset: number, size: number, segmentBytes: number): number {
  const padding = (BLOCK_BYTES - ((offset + size) % BLOCK_BYTES)) % BLOCK_BYTES;
  const fits = offset + size + padding + FRAME_HEADER_BYTES <= segmentBytes;
  return fits && padding >= FRAME_HEADER_BYTES && padding * 8 <= size ? padding : 0;
}

/** Nothing but `#makeReserve` makes a reserve, and in steps: any other size is a file that was not finished. */
function isWhole(reserveBytes: number): boolean {
  return reserveBytes >= RESERVE_BYTES && reserveBytes % RESERVE_BYTES === 0;
}

/** In powers of two, so that one reserve serves for long. */
function reserveFor(snapshotBytes: number): number {
  let bytes = RESERVE_BYTES;
  if (snapshotBytes <= RESERVED_SNAPSHOT_BYTES) return bytes;
  while (bytes < RESERVE_BYTES + RESERVE_SNAPSHOTS * snapshotBytes) bytes *= 2;
  return bytes;
}

function marksRoom(segmentBytes: number): number {
  return Math.min(MARKS_ROOM, segmentBytes >> 3);
}
