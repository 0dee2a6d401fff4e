/**
 * Recovery: from the files of a ledger to its state, whatever a crash, a torn write or bit rot left. It reads the newest
 * segment with a sound snapshot and what follows it, never writes, and reports each damaged place. Three promises: no
 * unsound byte becomes an event; no sequence that may have been accepted is used again; what is lost is named.
 */
import { decodeEventBody, EVENT_BYTES_MIN, eventHash, parseEventContent } from './event.ts';
import type { FileEntry, LedgerReader } from './files.ts';
import { FRAME_HEADER_BYTES, FRAME_KIND, type Frame, frameAt, frameBytes, headerAt, scanFrames } from './frame.ts';
import { decodeMarks } from './marks.ts';
import {
  decodeSegmentHeader,
  type HeaderRead,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  type SegmentId,
  segmentSalt,
} from './segment.ts';
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
    .sort((a, b) => a.index - b.index);
}

export async function recover(files: LedgerReader): Promise<Recovered> {
  const segments = segmentFiles(await files.list());
  const recovery = new Recovery(files, segments);
  await recovery.run();
  return recovery.result();
}

class Recovery {
  readonly #files: LedgerReader;
  readonly #segments: readonly SegmentFile[];
  #state = new LedgerState();
  readonly #damage: DamageReport[] = [];
  #marksDoubtful = false;
  #live: Recovered['live'];
  #rolled = false;

  constructor(files: LedgerReader, segments: readonly SegmentFile[]) {
    this.#files = files;
    this.#segments = segments;
  }

  result(): Recovered {
    return {
      state: this.#state,
      segments: this.#segments,
      live: this.#live,
      damage: this.#damage,
      marksDoubtful: this.#marksDoubtful,
      liveMissing: this.#rolled,
    };
  }

  async run(): Promise<void> {
    let start = this.#segments.length - 1;
    let found = false;
    for (; start >= 0 && !found; start -= 1) {
      const segment = this.#segments[start] as SegmentFile;
      const head = await this.#readHead(segment);
      if (head === undefined) continue;
      this.#state = head;
      found = true;
    }
    const from = found ? start + 1 : 0;
    if (!found && this.#segments.length > 0) this.#marksDoubtful = true;
    for (const segment of this.#segments.slice(from)) await this.#replay(segment, segment === this.#segments.at(-1));
  }

  /** The state in the segment's snapshot, or undefined when no copy of it is sound. */
  async #readHead(segment: SegmentFile): Promise<LedgerState | undefined> {
    const salt = segmentSalt(segment);
    let bytes: Buffer;
    try {
      bytes = await this.#files.read(segment.name, 0, segment.bytes);
    } catch {
      return undefined;
    }
    const [first, second] = snapshotFrames(bytes, salt);
    const sound = first ?? second;
    return sound === undefined ? undefined : LedgerState.fromSnapshot(sound.body);
  }

  async #replay(segment: SegmentFile, newest: boolean): Promise<void> {
    const salt = segmentSalt(segment);
    const life = this.#lifeOf(segment);
    const bytes = await this.#read(segment);
    const header = decodeSegmentHeader(bytes);
    if (header.kind === 'newer') {
      throw new Error(`ledger segment ${segment.name}: format version ${header.version} is newer than this agent's`);
    }
    if (header.kind === 'damaged') this.#report(segment, bytes, 0, SEGMENT_HEADER_BYTES, 'header is damaged');
    this.#declareMissing(life, segment.baseSeq);
    const stop = this.#state.ends.get(segment.index) ?? bytes.length;
    this.#rolled = false;
    let commit = 0;
    for (const scanned of scanFrames(bytes.subarray(0, stop), SEGMENT_HEADER_BYTES, salt)) {
      if (scanned.kind === 'frame') {
        this.#apply(life, scanned.frame);
        commit = scanned.frame.commit;
      } else if (scanned.kind === 'damage') {
        this.#marksDoubtful = true;
        this.#report(segment, bytes, scanned.at, scanned.end, 'fails its checksum and sound frames follow: damage');
      } else if (newest && !this.#rolled) {
        const cut = cutOff(header, bytes.length);
        if (header.kind === 'sound' && scanned.clean && cut === 0) {
          this.#live = { header: header.header, offset: scanned.at, commit };
        } else this.#closeTail(segment, life, bytes, scanned.at, scanned.lastUsed, cut);
      }
    }
  }

  /** The end of the newest segment is torn, damaged or cut off: nothing that may have stood there is used again. */
  #closeTail(segment: SegmentFile, life: Life, bytes: Buffer, at: number, lastUsed: number, cut: number): void {
    const evidence = usedSectors(bytes, at, lastUsed) * SECTOR_BYTES + cut;
    const torn = headerAt(bytes, at, segmentSalt(segment));
    const most = evidence === 0 ? 0 : Math.ceil(evidence / frameBytes(EVENT_BYTES_MIN)) + 1;
    const through = Math.max(life.last + most, torn?.kind === FRAME_KIND.event ? torn.seq : 0);
    this.#state.ends.set(segment.index, at);
    if (cut > 0) this.#marksDoubtful = true;
    const what = cut > 0 ? `${cut} bytes were cut off` : 'torn or damaged end';
    this.#report(segment, bytes, at, Math.max(lastUsed, at), `${what}; the ledger goes on behind ${through}`);
    this.#state.declareGap(life, life.last + 1, through, cut > 0 ? 'cut' : 'torn');
  }

  #apply(life: Life, frame: Frame): void {
    if (frame.kind === FRAME_KIND.event) {
      if (frame.seq <= life.last) return;
      this.#declareMissing(life, frame.seq);
      const event = decodeEventBody(life.ordinal, life.epoch, frame.seq, frame.body);
      this.#state.applyEvent(event, eventHash(event.payload));
      this.#state.applyContent(parseEventContent(event.payload));
    } else if (frame.kind === FRAME_KIND.marks) this.#state.applyMarks(decodeMarks(frame.body));
    else if (frame.kind === FRAME_KIND.session) {
      this.#state.applySession(JSON.parse(frame.body.toString('utf8')) as SessionMark);
    } else if (frame.kind === FRAME_KIND.rolled) this.#rolled = true;
  }

  /** Sequences that stand between the newest known event and `next` are lost. */
  #declareMissing(life: Life, next: number): void {
    if (next - 1 <= life.last) return;
    this.#marksDoubtful = true;
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
    try {
      return await this.#files.read(segment.name, 0, segment.bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
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

/** The two copies of the snapshot at a segment's head, each where it is sound. */
export function snapshotFrames(bytes: Buffer, salt: number): readonly [Frame | undefined, Frame | undefined] {
  const first = frameAt(bytes, SEGMENT_HEADER_BYTES, salt);
  if (first?.frame.kind === FRAME_KIND.snapshot) return [first.frame, frameAt(bytes, first.end, salt)?.frame];
  for (let at = SEGMENT_HEADER_BYTES + 8; at + FRAME_HEADER_BYTES <= bytes.length; at += 8) {
    const found = headerAt(bytes, at, salt);
    if (found === undefined) continue;
    const frame = frameAt(bytes, at, salt)?.frame;
    if (frame !== undefined) return [undefined, frame.kind === FRAME_KIND.snapshot ? frame : undefined];
  }
  return [undefined, undefined];
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
