/** What frames with a start mark look like: up to an end mark, by their own length, or of one length. */
import { bytesOfText } from '../bytes-text.ts';
import type { BetweenFraming, FixedFraming, LengthFraming, LengthType } from './framing.ts';
import { type FrameShape, standsAt } from './marked-framer.ts';

/** `looked`: no end mark begins in them. */
export function betweenShape(framing: BetweenFraming): FrameShape {
  const start = bytesOfText(framing.start);
  const end = bytesOfText(framing.end);
  return {
    start,
    max: framing.max,
    measure: (held, looked) => {
      const at = held.indexOf(end, Math.max(looked, start.length));
      // The last bytes may be the beginning of an end mark.
      if (at === -1) return { kind: 'more', looked: Math.max(looked, held.length - end.length + 1) };
      return { kind: 'frame', length: at + end.length + framing.trailer, looked: at };
    },
  };
}

/** A length that is more than `max`, or less than what stands before its own end, is none. */
export function lengthShape(framing: LengthFraming): FrameShape {
  const start = bytesOfText(framing.sync);
  const { lengthAt, lengthType, adjust, max } = framing;
  const { size, read } = LENGTHS[lengthType];
  const least = Math.max(start.length, lengthAt + size);
  return {
    start,
    max,
    measure: (held) => {
      if (held.length < least) return { kind: 'more', looked: 0 };
      const length = read(held, lengthAt) + adjust;
      return length < least || length > max ? { kind: 'none' } : { kind: 'frame', length, looked: 0 };
    },
  };
}

export function fixedShape({ sync, length, tail = '' }: FixedFraming): FrameShape {
  const end = bytesOfText(tail);
  return {
    start: bytesOfText(sync),
    max: length,
    measure: (held) => {
      if (held.length < length) return { kind: 'more', looked: 0 };
      return standsAt(held, length - end.length, end) ? { kind: 'frame', length, looked: 0 } : { kind: 'none' };
    },
  };
}

interface LengthReader {
  readonly size: number;
  readonly read: (bytes: Buffer, at: number) => number;
}

const LENGTHS: Readonly<Record<LengthType, LengthReader>> = {
  u8: { size: 1, read: (bytes, at) => bytes.readUInt8(at) },
  u16be: { size: 2, read: (bytes, at) => bytes.readUInt16BE(at) },
  u16le: { size: 2, read: (bytes, at) => bytes.readUInt16LE(at) },
};
