/**
 * Judges frames by the check value that they carry. Where a frame is too short for the places that the configuration names,
 * or where nothing would be covered, it is not whole: a check over no bytes proves nothing.
 */
import { type Crc, crcOf, crcPreset } from './crc.ts';
import type { FramerOutput } from './framer.ts';
import type { Check, CrcCheck, SumCheck } from './framing.ts';

/** What the decoder gets of a frame, not a copy; undefined: the frame is not whole. */
export type OpenFrame = (frame: Buffer) => Buffer | undefined;

export function openFrameOf(check: Check | undefined): OpenFrame {
  if (check === undefined || check.type === 'none') return (frame) => frame;
  const { bytes, of } = check.type === 'crc' ? crcValue(check) : sumValue(check);
  const size = check.as === 'hex' ? 2 * bytes : bytes;
  return (frame) => {
    const { length } = frame;
    const place = (number: number): number => (number < 0 ? length + number : number);
    const at = place(check.at ?? -size);
    const from = place(check.from);
    const to = check.to === undefined ? at : place(check.to);
    if (at < 0 || at + size > length || from < 0 || to > length || from >= to) return undefined;
    if (read(frame, at, size, check.as) !== of(frame, from, to)) return undefined;
    return check.strip ? frame.subarray(from, to) : frame;
  };
}

/** Copies the frame when it is whole. */
export function frameOutput(frame: Buffer, open: OpenFrame): (FramerOutput & { readonly kind: 'frame' }) | undefined {
  const opened = open(frame);
  if (opened === undefined) return undefined;
  const bytes = Buffer.from(frame);
  return { kind: 'frame', bytes, body: opened === frame ? bytes : Buffer.from(opened) };
}

/** `bytes`: how many the value has where it is not written in hexadecimal digits. */
interface CheckValue {
  readonly bytes: number;
  readonly of: Crc;
}

function crcValue(check: CrcCheck): CheckValue {
  const parameters = check.parameters ?? crcPreset(check.preset ?? '');
  return { bytes: Math.ceil(parameters.width / 8), of: crcOf(parameters) };
}

function sumValue({ type, invert }: SumCheck): CheckValue {
  const bytes = type === 'sum16' ? 2 : 1;
  const mask = type === 'sum16' ? 0xffff : 0xff;
  const total = type === 'xor8' ? xorOf : sumOf;
  const sign = type === 'lrc' ? -1 : 1;
  const inversion = invert ? mask : 0;
  return { bytes, of: (frame, from, to) => ((sign * total(frame, from, to)) & mask) ^ inversion };
}

function xorOf(bytes: Uint8Array, from: number, to: number): number {
  let xor = 0;
  for (let at = from; at < to; at += 1) xor ^= bytes[at] as number;
  return xor;
}

function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += bytes[at] as number;
  return sum;
}

const HEX_DIGITS = /^[0-9A-Fa-f]+$/;

/** NaN, which no check value is, for hexadecimal digits that are none. */
function read(frame: Buffer, at: number, size: number, as: 'be' | 'le' | 'hex'): number {
  if (as === 'be') return frame.readUIntBE(at, size);
  if (as === 'le') return frame.readUIntLE(at, size);
  const digits = frame.toString('latin1', at, at + size);
  return HEX_DIGITS.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
}
