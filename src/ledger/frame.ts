/**
 * The frame: the unit of the ledger's segments. Frames stand one after another, each at a multiple of eight, so that a
 * reader can find the next sound one after any damage. Both checksums are salted with the segment, so a frame of another
 * segment that once stood in the same disk blocks can never pass.
 *
 *   0      1      2        4            8                16           20          24
 *   +------+------+--------+------------+----------------+------------+-----------+--------------+---------+
 *   | 0xF7 | kind | commit | body bytes | seq (u64)      | header CRC | body CRC  | body         | zeros   |
 *   | u8   | u8   | u16    | u32        | little endian  | u32, 0..16 | u32       | `body bytes` | to 8    |
 *   +------+------+--------+------------+----------------+------------+-----------+--------------+---------+
 */
import { crc32c } from './crc32c.ts';

export const FRAME_MAGIC = 0xf7;
export const FRAME_HEADER_BYTES = 24;

/** No body is longer but that of a snapshot in format 2; an event is far below. */
export const BODY_BYTES_MAX = 2 * 1024 * 1024;

/** Two bytes for each two events kept, the worst there is, of a ledger of some hundred million: no ledger gets there. */
export const SNAPSHOT_BYTES_MAX = 256 * 1024 * 1024;

/** Most of a segment that was just begun is zeros: compared by the piece they cost a hundredth of a loop over bytes. */
const ZEROS = Buffer.alloc(4096);

export const FRAME_KIND = { event: 1, marks: 2, session: 3, snapshot: 4, rolled: 5, padding: 6 } as const;
export type FrameKind = (typeof FRAME_KIND)[keyof typeof FRAME_KIND];

export interface Frame {
  readonly kind: FrameKind;
  /** Frames of one commit carry one number (it wraps), so a reader can tell a torn commit from damage. */
  readonly commit: number;
  /** The event's sequence; 0 for other kinds. */
  readonly seq: number;
  readonly body: Buffer;
}

export type Scanned =
  | { readonly kind: 'frame'; readonly at: number; readonly end: number; readonly frame: Frame }
  /** Bytes that are no sound frame, with a sound frame behind them. `seq`: known when only the body was hit. */
  | { readonly kind: 'damage'; readonly at: number; readonly end: number }
  /** Nothing sound from here on. `clean`: only zeros follow. */
  | { readonly kind: 'end'; readonly at: number; readonly clean: boolean; readonly lastUsed: number };

export function frameBytes(bodyBytes: number): number {
  return FRAME_HEADER_BYTES + ((bodyBytes + 7) & ~7);
}

/** Writes a frame at `at` (a multiple of 8) into zeroed `target`; returns where it ends. */
export function encodeFrame(
  target: Buffer,
  at: number,
  salt: number,
  kind: FrameKind,
  commit: number,
  seq: number,
  body: readonly Buffer[],
): number {
  let end = at + FRAME_HEADER_BYTES;
  for (const part of body) end += part.copy(target, end);
  const bodyBytes = end - at - FRAME_HEADER_BYTES;
  target[at] = FRAME_MAGIC;
  target[at + 1] = kind;
  target.writeUInt16LE(commit & 0xffff, at + 2);
  target.writeUInt32LE(bodyBytes, at + 4);
  writeU64(target, seq, at + 8);
  target.writeUInt32LE(crc32c(target, at, at + 16, salt), at + 16);
  target.writeUInt32LE(crc32c(target, at + FRAME_HEADER_BYTES, end, salt), at + 20);
  const padded = at + frameBytes(bodyBytes);
  target.fill(0, end, padded);
  return padded;
}

/** The sound frame at `at`, or undefined. The body is a view of `bytes`. */
export function frameAt(bytes: Buffer, at: number, salt: number): { frame: Frame; end: number } | undefined {
  const head = headerAt(bytes, at, salt);
  if (head === undefined) return undefined;
  const bodyEnd = at + FRAME_HEADER_BYTES + head.bodyBytes;
  const end = at + frameBytes(head.bodyBytes);
  // The zeros behind the body may be cut off: they carry nothing.
  if (bodyEnd > bytes.length) return undefined;
  const bodyCrc = bytes.readUInt32LE(at + 20);
  if (bodyCrc !== crc32c(bytes, at + FRAME_HEADER_BYTES, bodyEnd, salt)) return undefined;
  const body = bytes.subarray(at + FRAME_HEADER_BYTES, bodyEnd);
  return { frame: { kind: head.kind, commit: head.commit, seq: head.seq, body }, end };
}

/** A sound header at `at`, whatever became of its body. */
export function headerAt(
  bytes: Buffer,
  at: number,
  salt: number,
): { kind: FrameKind; commit: number; seq: number; bodyBytes: number } | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length || bytes[at] !== FRAME_MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 16) !== crc32c(bytes, at, at + 16, salt)) return undefined;
  const bodyBytes = bytes.readUInt32LE(at + 4);
  const kind = bytes[at + 1] as number;
  const most = kind === FRAME_KIND.snapshot ? SNAPSHOT_BYTES_MAX : BODY_BYTES_MAX;
  if (bodyBytes > most || !isFrameKind(kind)) return undefined;
  return { kind, commit: bytes.readUInt16LE(at + 2), seq: readU64(bytes, at + 8), bodyBytes };
}

/**
 * Every frame and every damaged place of `bytes[from, ...)`, then the end. `bytes` reaches to the end of the segment.
 * Linear: each eight-byte step is looked at once, and a body is checked only behind a sound header.
 */
export function* scanFrames(bytes: Buffer, from: number, salt: number): Generator<Scanned, void> {
  let at = from;
  while (at < bytes.length) {
    const found = frameAt(bytes, at, salt);
    if (found !== undefined) {
      yield { kind: 'frame', at, end: found.end, frame: found.frame };
      at = found.end;
      continue;
    }
    const next = nextSound(bytes, at + 8, salt);
    if (next === undefined) break;
    yield { kind: 'damage', at, end: next };
    at = next;
  }
  const lastUsed = lastUsedByte(bytes, Math.min(at, bytes.length));
  yield { kind: 'end', at, clean: lastUsed <= at, lastUsed };
}

function nextSound(bytes: Buffer, from: number, salt: number): number | undefined {
  let at = from;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const found = bytes.indexOf(FRAME_MAGIC, at);
    if (found === -1) return undefined;
    // Frames stand at multiples of eight.
    at = (found + 7) & ~7;
    if (at !== found) continue;
    if (frameAt(bytes, at, salt) !== undefined) return at;
    at += 8;
  }
  return undefined;
}

/** One behind the last byte that is not zero; `from` when all are. */
function lastUsedByte(bytes: Buffer, from: number): number {
  let at = bytes.length;
  while (at - ZEROS.length >= from && bytes.subarray(at - ZEROS.length, at).equals(ZEROS)) at -= ZEROS.length;
  while (at > from && bytes[at - 1] === 0) at -= 1;
  return at;
}

function isFrameKind(kind: number): kind is FrameKind {
  return kind >= FRAME_KIND.event && kind <= FRAME_KIND.padding;
}

export function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, at);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
}
