/**
 * Recovery: from the files of a ledger to its state, whatever a crash, a torn write or bit rot left. It reads the newest
 * segment with a sound snapshot and what follows it, never writes, and reports each damaged place. Three promises: no
 * unsound byte becomes an event; no sequence that may have been accepted is used again; what is lost is named.
 */
import { reasonOf, systemCodeOf } from '../fault.ts';
import { decodeEventBody, EVENT_BYTES_MIN, eventHash, parseEventContent, type StoredEvent } from './event.ts';
import type { FileEntry, LedgerReader } from './files.ts';
import { FRAME_HEADER_BYTES, FRAME_KIND, type Frame, frameAt, frameBytes, headerAt, scanFrames } from './frame.ts';
import { decodeMarks } from './marks.ts';
import { readTailNote, type TailNote } from './notes.ts';
import { readAround } from './read-around.ts';
import {
  decodeSegmentHeader,
  type HeaderRead,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  type SegmentId,
  segmentSalt,
  voidBehind,
} from './segment.ts';
import { decodeSnapshot } from './snapshot.ts';
import { LedgerState, type Life, type SessionMark } from './state.ts';

/** A segment file as it lies there. `bytes` is the file's size. */
export interface SegmentFile extends SegmentId {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface DamageReport {
  readonly segment: string;
  readonly at: number;
  readonly end: number;
  readonly what: string;
  /** The bytes, to be kept in quarantine; bounded. */
  readonly bytes: Buffer;
}

export interface Recovered {
  readonly state: LedgerState;
  /** Oldest first, the newest last. */
  readonly segments: readonly SegmentFile[];
  /** Where appending may go on: the newest segment, when it is sound to its end. */
  readonly live: { readonly header: SegmentHeader; readonly offset: number; readonly commit: number } | undefined;
  readonly damage: readonly DamageReport[];
  /** Marks may be lost: the broker session they describe can not be resumed. */
  readonly marksDoubtful: boolean;
  /** The newest segment is gone although a segment after the ones found must have existed. */
  readonly liveMissing: boolean;
  /** The newest life and segment index that the notes know of, for numbers that are not used again. */
  readonly noted: { readonly life: number; readonly index: number };
}

const QUARANTINE_BYTES_MAX = 256 * 1024;
const SECTOR_BYTES = 512;
/** Assumed of a file whose header is gone: the largest segment that the configuration allows. */
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;

export function segmentFiles(entries: readonly FileEntry[]): SegmentFile[] {
  return entries
    .flatMap((entry) => {
      const id = parseSegmentName(entry.name);
      return id === undefined ? [] : [{ ...id, ...entry }];
    })
    .sort((a, b) => a.index - b.index || a.life - b.life || a.baseSeq - b.baseSeq);
}

export async function recover(files: LedgerReader): Promise<Recovered> {
  const segments = segmentFiles(await files.list());
  const recovery = new Recovery(files, segments, await readTailNote(files));
  await recovery.run();
  return recovery.result();
}

/** What reading one segment through showed. */
interface Walk {
  /** Where the first damaged stretch behind the head starts, and the commit of the frame before it. */
  hole: { readonly at: number; readonly before: number } | undefined;
  /** Commits of the frames behind that hole. */
  readonly behind: Set<number>;
  commit: number;
  /** Damaged bytes behind the last event: they may have held events too. */
  trailing: number;
}

class Recovery {
  readonly #files: LedgerReader;
  readonly #segments: readonly SegmentFile[];
  readonly #note: TailNote | undefined;
  #state = new LedgerState();
  readonly #damage: DamageReport[] = [];
  #marksDoubtful = false;
  #live: Recovered['live'];
  #rolled = false;
  /** What was read of a segment to find its snapshot; it is replayed next, and the disk is slow. */
  #headRead: { readonly segment: SegmentFile; readonly bytes: Buffer } | undefined;
  /** The newest event of each life; only its hash goes on, so the others' are never made. */
  readonly #newest = new Map<number, StoredEvent>();

  constructor(files: LedgerReader, segments: readonly SegmentFile[], note: TailNote | undefined) {
    this.#files = files;
    this.#segments = segments;
    this.#note = note;
  }

  result(): Recovered {
    const newest = this.#segments.at(-1);
    const liveMissing = this.#rolled || (this.#note?.index ?? 0) > (newest?.index ?? 0);
    return {
      state: this.#state,
      segments: this.#segments,
      live: liveMissing ? undefined : this.#live,
      damage: this.#damage,
      // The segment that is gone may have held the mark of a newer broker session.
      marksDoubtful: this.#marksDoubtful || (liveMissing && newest !== undefined),
      liveMissing,
      noted: { life: this.#note?.life ?? 0, index: this.#note?.index ?? 0 },
    };
  }

  async run(): Promise<void> {
    let start = this.#segments.length - 1;
    let found = false;
    for (; start >= 0 && !found; start -= 1) {
      const head = await this.#readHead(this.#segments[start] as SegmentFile);
      if (head === undefined) continue;
      this.#state = head;
      found = true;
    }
    const from = found ? start + 1 : 0;
    if (!found && this.#segments.length > 0) this.#marksDoubtful = true;
    for (let at = from; at < this.#segments.length; at += 1) {
      await this.#replay(this.#segments[at] as SegmentFile, this.#segments[at + 1]);
    }
    for (const [ordinal, event] of this.#newest) {
      const life = this.#state.life(ordinal);
      if (life !== undefined) life.lastHash = eventHash(event.payload);
    }
  }

  /** The state in the segment's snapshot, or undefined when no copy of it is sound. */
  async #readHead(segment: SegmentFile): Promise<LedgerState | undefined> {
    const bytes = await readAround(this.#files, segment.name, 0, segment.bytes).catch(() => undefined);
    if (bytes === undefined) return undefined;
    this.#headRead = { segment, bytes };
    const { snapshot } = segmentHead(bytes, segmentSalt(segment));
    return snapshot === undefined ? undefined : decodeSnapshot(snapshot.body);
  }

  async #replay(segment: SegmentFile, next: SegmentFile | undefined): Promise<void> {
    const salt = segmentSalt(segment);
    const life = this.#lifeOf(segment);
    const bytes = await this.#read(segment);
    const header = decodeSegmentHeader(bytes);
    if (header.kind === 'newer') {
      throw new Error(`ledger segment ${segment.name}: format version ${header.version} is newer than this agent's`);
    }
    if (header.kind === 'damaged') this.#report(segment, bytes, 0, SEGMENT_HEADER_BYTES, 'header is damaged');
    if (segment.baseSeq - 1 > life.last) this.#marksDoubtful = true;
    this.#declareMissing(life, segment.baseSeq);
    const stop = this.#state.ends.get(segment.index) ?? bytes.length;
    const headEnd = segmentHead(bytes, salt).end;
    const through = voidBehind(segment, next);
    const walk: Walk = { hole: undefined, behind: new Set(), commit: 0, trailing: 0 };
    const gapsBefore = this.#state.unnamed.length;
    this.#rolled = false;
    for (const scanned of scanFrames(bytes.subarray(0, stop), SEGMENT_HEADER_BYTES, salt)) {
      if (scanned.kind === 'frame') {
        if (scanned.frame.seq <= through) this.#apply(life, scanned.frame);
        walk.commit = scanned.frame.commit;
        if (walk.hole !== undefined) walk.behind.add(walk.commit);
        if (scanned.frame.kind === FRAME_KIND.event) walk.trailing = 0;
      } else if (scanned.kind === 'damage') {
        this.#report(segment, bytes, scanned.at, scanned.end, 'fails its checksum and sound frames follow: damage');
        if (scanned.end <= headEnd) continue;
        walk.hole ??= { at: scanned.at, before: walk.commit };
        walk.trailing += scanned.end - scanned.at;
      } else if (next === undefined && !this.#rolled) {
        this.#endAt(segment, life, header, bytes, scanned.at, scanned.lastUsed, walk);
      }
    }
    if (walk.hole === undefined) return;
    if (next === undefined && this.#tornCommit(segment, walk)) this.#state.renameGaps(gapsBefore, 'torn');
    else this.#marksDoubtful = true;
  }

  /**
   * A power cut in the middle of a commit may leave its later sectors and not its earlier ones. That is no damage to
   * what was accepted: the hole and all behind it are of the one commit that was never answered.
   */
  #tornCommit(segment: SegmentFile, { hole, behind }: Walk): boolean {
    if (hole === undefined || behind.size !== 1 || this.#rolled || this.#noteOf(segment, hole.at) !== undefined) {
      return false;
    }
    const [commit] = behind;
    return commit === hole.before || commit === ((hole.before + 1) & 0xffff);
  }

  /** The tail note, when it says that a commit of this segment was finished behind `at`. */
  #noteOf(segment: SegmentFile, at: number): TailNote | undefined {
    const note = this.#note;
    return note?.index === segment.index && note.life === segment.life && note.end > at ? note : undefined;
  }

  /** The newest segment's frames end at `at`: cleanly, or with something that is no frame. */
  #endAt(
    segment: SegmentFile,
    life: Life,
    header: HeaderRead,
    bytes: Buffer,
    at: number,
    lastUsed: number,
    walk: Walk,
  ): void {
    const cut = cutOff(header, bytes.length);
    const hidden = this.#note?.life === life.ordinal && this.#note.seq > life.last;
    const note = hidden ? this.#note : this.#noteOf(segment, at);
    const behind = Math.floor(walk.trailing / frameBytes(EVENT_BYTES_MIN));
    if (walk.hole !== undefined) this.#state.ends.set(segment.index, at);
    const named = header.kind === 'sound' && sameSegment(header.header, segment);
    if (named && lastUsed <= at && cut === 0 && note === undefined && behind === 0) {
      this.#live = { header: header.header, offset: at, commit: walk.commit };
      return;
    }
    if (cut > 0 || note !== undefined) this.#marksDoubtful = true;
    this.#closeTail(segment, life, bytes, at, lastUsed, cut, behind, note);
  }

  /** The end of the newest segment is torn, damaged or cut off: nothing that may have stood there is used again. */
  #closeTail(
    segment: SegmentFile,
    life: Life,
    bytes: Buffer,
    at: number,
    lastUsed: number,
    cut: number,
    behind: number,
    note: TailNote | undefined,
  ): void {
    const evidence = usedSectors(bytes, at, lastUsed) * SECTOR_BYTES + cut;
    const torn = headerAt(bytes, at, segmentSalt(segment));
    const most = evidence === 0 ? 0 : Math.ceil(evidence / frameBytes(EVENT_BYTES_MIN)) + 1;
    const through = Math.max(life.last + most + behind, torn?.kind === FRAME_KIND.event ? torn.seq : 0, note?.seq ?? 0);
    this.#state.ends.set(segment.index, at);
    const what = cut > 0 ? `${cut} bytes were cut off` : note === undefined ? 'torn end' : 'damaged end';
    const end = Math.max(lastUsed, at, Math.min(note?.end ?? 0, bytes.length));
    this.#report(segment, bytes, at, end, `${what}; the ledger goes on behind ${through}`);
    this.#state.declareGap(life, life.last + 1, through, cut > 0 ? 'cut' : note === undefined ? 'torn' : 'damage');
  }

  #apply(life: Life, frame: Frame): void {
    if (frame.kind === FRAME_KIND.event) {
      if (frame.seq <= life.last) return;
      this.#declareMissing(life, frame.seq);
      const event = decodeEventBody(life.ordinal, life.epoch, frame.seq, frame.body);
      this.#state.applyEvent(event, '');
      this.#newest.set(life.ordinal, event);
      this.#state.applyContent(parseEventContent(event.payload));
    } else if (frame.kind === FRAME_KIND.marks) this.#state.applyMarks(decodeMarks(frame.body));
    else if (frame.kind === FRAME_KIND.session) {
      this.#state.applySession(JSON.parse(frame.body.toString('utf8')) as SessionMark);
    } else if (frame.kind === FRAME_KIND.rolled) this.#rolled = true;
  }

  /** Sequences that stand between the newest known event and `next` are lost. */
  #declareMissing(life: Life, next: number): void {
    this.#state.declareGap(life, life.last + 1, next - 1, 'damage');
  }

  #lifeOf(segment: SegmentFile): Life {
    const known = this.#state.life(segment.life);
    if (known !== undefined) return known;
    const life = this.#state.startLife(segment.life, segment.epoch);
    life.first = segment.baseSeq;
    life.last = segment.baseSeq - 1;
    if (life.last > 0) life.handed.add(1, life.last);
    return life;
  }

  async #read(segment: SegmentFile): Promise<Buffer> {
    const read = this.#headRead;
    this.#headRead = undefined;
    if (read?.segment === segment) return read.bytes;
    try {
      return await readAround(this.#files, segment.name, 0, segment.bytes);
    } catch (error) {
      if (systemCodeOf(error) !== 'EIO') throw error;
      const reason = reasonOf(error);
      this.#marksDoubtful = true;
      this.#report(segment, Buffer.alloc(0), 0, segment.bytes, `can not be read: ${reason}`);
      return Buffer.alloc(0);
    }
  }

  #report(segment: SegmentFile, bytes: Buffer, at: number, end: number, what: string): void {
    const kept = Buffer.from(bytes.subarray(at, Math.min(end, at + QUARANTINE_BYTES_MAX)));
    this.#damage.push({ segment: segment.name, at, end, what, bytes: kept });
  }
}

/** The snapshot at a segment's head from the first sound copy of the two, and where the head ends as far as it shows. */
export function segmentHead(bytes: Buffer, salt: number): { snapshot: Frame | undefined; end: number } {
  const first = headerAt(bytes, SEGMENT_HEADER_BYTES, salt);
  const whole = frameAt(bytes, SEGMENT_HEADER_BYTES, salt);
  if (first?.kind === FRAME_KIND.snapshot && whole !== undefined) {
    return { snapshot: whole.frame, end: whole.end + frameBytes(first.bodyBytes) };
  }
  for (let at = SEGMENT_HEADER_BYTES + 8; at + FRAME_HEADER_BYTES <= bytes.length; at += 8) {
    if (headerAt(bytes, at, salt) === undefined) continue;
    const found = frameAt(bytes, at, salt);
    if (found === undefined) continue;
    if (found.frame.kind !== FRAME_KIND.snapshot) break;
    return { snapshot: found.frame, end: found.end };
  }
  return { snapshot: undefined, end: SEGMENT_HEADER_BYTES };
}

function sameSegment(a: SegmentId, b: SegmentId): boolean {
  return a.index === b.index && a.life === b.life && a.epoch === b.epoch && a.baseSeq === b.baseSeq;
}

/** Bytes missing at the end of a file, as far as its header tells; a header that is gone was cut off with the rest. */
function cutOff(header: HeaderRead, fileBytes: number): number {
  if (header.kind === 'sound') return Math.max(0, header.header.bytes - fileBytes);
  return fileBytes < SEGMENT_HEADER_BYTES ? SEGMENT_BYTES_MAX : 0;
}

function usedSectors(bytes: Buffer, from: number, to: number): number {
  let sectors = 0;
  for (let at = from; at < to; at += SECTOR_BYTES) {
    if (bytes.subarray(at, Math.min(at + SECTOR_BYTES, to)).some((byte) => byte !== 0)) sectors += 1;
  }
  return sectors;
}
