/**
 * Marks: what became of events, as ranges of sequences. They ride in the commits of new events, so that one write and
 * one sync carries both. A marks body is a row of groups, each eight bytes and then eight bytes a range:
 *
 *   +------+------+-------+------+  +-----------------+--------+
 *   | kind | code | count | life |  | from (u48)      | length |   x count
 *   | u8   | u8   | u16   | u32  |  | little endian   | u16    |
 *   +------+------+-------+------+  +-----------------+--------+
 */
import { BODY_BYTES_MAX } from './frame.ts';
import type { Interval } from './intervals.ts';

/**
 * - `released`: the broker has the event; PUBREL may leave (MQTT-4.3.3: never PUBLISH again). Void in a later session.
 * - `handed`: handed over (PUBCOMP). Also set for sequences that a `ledger.gap` names.
 * - `dead`: a dead letter; `code` is the broker's reason code.
 * - `settled`: the consumer's receipt covers it. Written lazily: the receipt is retained and comes again.
 * - `reopened`: it is to be sent again, although it was handed over or dead, or it is of an old epoch and its stream was
 *   refused: it leaves under an identifier of the range for what is sent again. On disk before its PUBLISH leaves: else a crash
 *   in the middle of that exchange would leave its identifier in use at the broker and free here.
 */
export const MARK_KIND = { released: 1, handed: 2, dead: 3, settled: 4, reopened: 5 } as const;
export type MarkKind = keyof typeof MARK_KIND;

export interface Marks {
  readonly kind: MarkKind;
  /** The reason code of `dead`; 0 for the others. */
  readonly code: number;
  readonly life: number;
  readonly ranges: readonly Interval[];
}

/** Whether one of these marks sends something of this life through `through` again. */
export function reopensThrough(groups: readonly Marks[], life: number, through: number): boolean {
  return groups.some(
    (group) => group.kind === 'reopened' && group.life === life && group.ranges.some(([from]) => from <= through),
  );
}

const GROUP_BYTES = 8;
const RANGE_BYTES = 8;
const RANGE_LENGTH_MAX = 0xffff;
const RANGES_MAX = 0xffff;

/** The bodies that hold these groups, in their order: one, unless the marks are so many that no frame would hold them. */
export function encodeMarks(groups: readonly Marks[]): Buffer[] {
  const bodies: Buffer[] = [];
  let parts: Buffer[] = [];
  let bytes = 0;
  const end = (): void => {
    if (parts.length > 0) bodies.push(Buffer.concat(parts));
    parts = [];
    bytes = 0;
  };
  for (const group of groups) {
    const ranges = group.ranges.flatMap(splitRange);
    for (let start = 0; start < ranges.length; start += RANGES_MAX) {
      const part = encodeGroup(group, ranges.slice(start, start + RANGES_MAX));
      if (bytes + part.length > BODY_BYTES_MAX) end();
      parts.push(part);
      bytes += part.length;
    }
  }
  end();
  return bodies;
}

/** The groups of a marks body that passed its checksum; throws on one that no version ever wrote. */
export function decodeMarks(body: Buffer): Marks[] {
  const groups: Marks[] = [];
  let at = 0;
  while (at < body.length) {
    const kind = kindOf(body.readUInt8(at));
    const count = body.readUInt16LE(at + 2);
    const ranges: Interval[] = [];
    for (let n = 0; n < count; n += 1) {
      const rangeAt = at + GROUP_BYTES + n * RANGE_BYTES;
      const from = body.readUIntLE(rangeAt, 6);
      ranges.push([from, from + body.readUInt16LE(rangeAt + 6) - 1]);
    }
    groups.push({ kind, code: body.readUInt8(at + 1), life: body.readUInt32LE(at + 4), ranges });
    at += GROUP_BYTES + count * RANGE_BYTES;
  }
  return groups;
}

function encodeGroup(group: Marks, ranges: readonly Interval[]): Buffer {
  const bytes = Buffer.alloc(GROUP_BYTES + ranges.length * RANGE_BYTES);
  bytes.writeUInt8(MARK_KIND[group.kind], 0);
  bytes.writeUInt8(group.code, 1);
  bytes.writeUInt16LE(ranges.length, 2);
  bytes.writeUInt32LE(group.life, 4);
  let at = GROUP_BYTES;
  for (const [from, through] of ranges) {
    bytes.writeUIntLE(from, at, 6);
    bytes.writeUInt16LE(through - from + 1, at + 6);
    at += RANGE_BYTES;
  }
  return bytes;
}

function splitRange([from, through]: Interval): Interval[] {
  const pieces: Interval[] = [];
  for (let start = from; start <= through; start += RANGE_LENGTH_MAX) {
    pieces.push([start, Math.min(through, start + RANGE_LENGTH_MAX - 1)]);
  }
  return pieces;
}

function kindOf(number: number): MarkKind {
  for (const [kind, known] of Object.entries(MARK_KIND)) if (known === number) return kind as MarkKind;
  throw new Error(`marks of unknown kind ${number}`);
}
