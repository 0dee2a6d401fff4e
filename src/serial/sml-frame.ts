/**
 * Frames of the SML transport protocol, version 1 (SML 1.04, which the BSI published with TR-03109-1):
 *
 *     1b1b1b1b 01010101 | data, 1b1b1b1b in it doubled | fill | 1b1b1b1b 1a nn cc cc
 *
 * Everything is in groups of four bytes; `nn`, 0 to 3, zero bytes fill the last one. The CRC-16/X-25 covers all before it,
 * and stands least significant byte first.
 */
import { crcOf, crcPreset } from './crc.ts';
import type { OpenFrame } from './check.ts';
import type { SmlFraming } from './framing.ts';
import type { FrameShape, Measure } from './marked-framer.ts';

const START = Buffer.from('1b1b1b1b01010101', 'hex');
const ESCAPE = 0x1b1b1b1b;
const END = 0x1a;
const GROUP = 4;
/** Bytes of the end: escape, mark, number of fill bytes, CRC. */
const END_BYTES = 8;
const FILL_MAX = 3;

export function smlShape({ max }: SmlFraming): FrameShape {
  return { start: START, max, measure };
}

/** The data: without marks, doubled escapes and fill. */
export function openSmlFrame(): OpenFrame {
  const crc = crcOf(crcPreset('crc-16-x25'));
  return (frame) => {
    const { length } = frame;
    const fill = frame.readUInt8(length - 3);
    const dataEnd = length - END_BYTES - fill;
    if (fill > FILL_MAX || dataEnd < START.length) return undefined;
    if (frame.readUInt16LE(length - 2) !== crc(frame, 0, length - 2)) return undefined;
    return withoutEscapes(frame, dataEnd);
  };
}

/**
 * `looked`: whole groups in which there is no end. A start mark in the middle, at any place, says that the end was lost:
 * without this a frame that lost one byte would hold up those after it until `max` bytes have come.
 */
function measure(held: Buffer, looked: number): Measure {
  const next = held.indexOf(START, Math.max(1, looked - START.length + 1));
  const to = next === -1 ? held.length : next + START.length - 1;
  let at = Math.max(START.length, looked);
  for (; at + GROUP <= to; at += GROUP) {
    if (held.readUInt32BE(at) !== ESCAPE) continue;
    if (at + 2 * GROUP > to) break;
    if (held[at + GROUP] === END) return { kind: 'frame', length: at + END_BYTES, looked: 0 };
    if (held.readUInt32BE(at + GROUP) !== ESCAPE) return { kind: 'none' };
    at += GROUP;
  }
  return next === -1 ? { kind: 'more', looked: at } : { kind: 'none' };
}

function withoutEscapes(frame: Buffer, dataEnd: number): Buffer {
  const data = Buffer.allocUnsafe(dataEnd - START.length);
  let length = 0;
  for (let at = START.length; at < dataEnd; at += GROUP) {
    length += frame.copy(data, length, at, Math.min(at + GROUP, dataEnd));
    if (at + GROUP <= dataEnd && frame.readUInt32BE(at) === ESCAPE) at += GROUP;
  }
  return data.subarray(0, length);
}
