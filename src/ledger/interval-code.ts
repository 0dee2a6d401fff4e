/**
 * Closed intervals as a short text, for a snapshot that holds very many: a list of pairs takes some twenty bytes for each,
 * this takes three. In turn, for each interval: how far its start lies behind the end of the one before (behind 0 for the
 * first), and its length less one; both as unsigned LEB128 (seven bits a byte, the lowest first, the high bit of each byte
 * but the last set), and all bytes as base64.
 */
import type { Interval } from './intervals.ts';

/** A number below 2^53 takes eight bytes at most. */
const NUMBER_BYTES_MAX = 8;

export function encodeIntervals(intervals: readonly Interval[]): string {
  const bytes = Buffer.allocUnsafe(2 * NUMBER_BYTES_MAX * intervals.length);
  let at = 0;
  let end = 0;
  for (const [from, through] of intervals) {
    at = writeNumber(bytes, at, from - end);
    at = writeNumber(bytes, at, through - from);
    end = through;
  }
  return bytes.toString('base64', 0, at);
}

export function decodeIntervals(text: string): Interval[] {
  const bytes = Buffer.from(text, 'base64');
  const intervals: Interval[] = [];
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  for (let end = 0; at < bytes.length; ) {
    const from = end + next();
    end = from + next();
    intervals.push([from, end]);
  }
  return intervals;
}

function writeNumber(target: Buffer, at: number, number: number): number {
  let rest = number;
  let place = at;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) {
    target[place] = (rest % 128) | 0x80;
    place += 1;
  }
  target[place] = rest;
  return place + 1;
}
