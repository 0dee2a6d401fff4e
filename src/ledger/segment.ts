/**
 * A segment: one zero-filled file of fixed size, named by its place in the ledger, its life and its first sequence, with
 * a 64-byte header that says the same. The name alone is enough to place a segment whose header was damaged.
 *
 *   0          8         10       12       16            24          32        40        48      60       64
 *   +----------+---------+--------+--------+-------------+-----------+---------+---------+-------+--------+
 *   | FPLEDGR1 | version | flags  | life   | index (u64) | base seq  | segment | epoch   | zeros | CRC    |
 *   |          | u16     | u16    | u32    |             | (u64)     | bytes   | 8 ASCII |       | u32    |
 *   +----------+---------+--------+--------+-------------+-----------+---------+---------+-------+--------+
 *
 * Behind the header stand two copies of a snapshot frame (all state that the events themselves do not hold), then frames.
 */
import { crc32c } from './crc32c.ts';
import { readU64, writeU64 } from './frame.ts';

export const SEGMENT_HEADER_BYTES = 64;
/** 2: the snapshot holds its sets as short texts, because they are so many. */
export type FormatVersion = 1 | 2;
const FORMAT_VERSION_MAX = 2;
const MAGIC = Buffer.from('FPLEDGR1', 'latin1');
const FLAG_RESERVE = 1;
const NAME = /^(\d{10})-(\d{1,9})-([0-9A-Z]{8})-(\d{1,16})\.seg$/;

/** One life of the ledger is an epoch; lives are counted so that an old one can drain before the next. */
export interface SegmentId {
  readonly index: number;
  readonly life: number;
  readonly epoch: string;
  /** The first sequence that may stand in it. */
  readonly baseSeq: number;
}

export interface SegmentHeader extends SegmentId {
  readonly bytes: number;
  /** Made from the preallocated reserve while the disk was full: holds marks only. */
  readonly reserve: boolean;
}

export function segmentName(id: SegmentId): string {
  return `${String(id.index).padStart(10, '0')}-${id.life}-${id.epoch}-${id.baseSeq}.seg`;
}

/** The id that a file name states, or undefined for any other name. */
export function parseSegmentName(name: string): SegmentId | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  return { index: Number(match[1]), life: Number(match[2]), epoch: match[3] as string, baseSeq: Number(match[4]) };
}

/** What the checksums of a segment's frames are salted with. */
export function segmentSalt(id: SegmentId): number {
  const bytes = Buffer.alloc(24);
  bytes.write(id.epoch, 0, 'latin1');
  writeU64(bytes, id.index, 8);
  writeU64(bytes, id.life, 16);
  return crc32c(bytes);
}

export function encodeSegmentHeader(header: SegmentHeader, version: FormatVersion): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt16LE(version, 8);
  bytes.writeUInt16LE(header.reserve ? FLAG_RESERVE : 0, 10);
  bytes.writeUInt32LE(header.life, 12);
  writeU64(bytes, header.index, 16);
  writeU64(bytes, header.baseSeq, 24);
  writeU64(bytes, header.bytes, 32);
  bytes.write(header.epoch, 40, 'latin1');
  bytes.writeUInt32LE(crc32c(bytes, 0, 60), 60);
  return bytes;
}

export type HeaderRead =
  | { readonly kind: 'sound'; readonly header: SegmentHeader }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'newer'; readonly version: number };

export function decodeSegmentHeader(bytes: Buffer): HeaderRead {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return { kind: 'damaged' };
  if (bytes.readUInt32LE(60) !== crc32c(bytes, 0, 60)) return { kind: 'damaged' };
  const version = bytes.readUInt16LE(8);
  if (version < 1 || version > FORMAT_VERSION_MAX) return { kind: 'newer', version };
  const header: SegmentHeader = {
    index: readU64(bytes, 16),
    life: bytes.readUInt32LE(12),
    epoch: bytes.toString('latin1', 40, 48),
    baseSeq: readU64(bytes, 24),
    bytes: readU64(bytes, 32),
    reserve: (bytes.readUInt16LE(10) & FLAG_RESERVE) !== 0,
  };
  return { kind: 'sound', header };
}

/**
 * The newest sequence that counts in `segment`. The next segment's name says where it took over; a frame of that number
 * or behind it is of a commit that failed and was refused.
 */
export function voidBehind(segment: SegmentId, next: SegmentId | undefined): number {
  return next !== undefined && next.life === segment.life ? next.baseSeq - 1 : Number.MAX_SAFE_INTEGER;
}
