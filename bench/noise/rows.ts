/** The framings that noise is sent to, each as a device of its kind is configured, with a good frame of it. */
import type { Check, Framing } from '../../src/serial/framing.ts';

export interface FramingRow {
  readonly name: string;
  readonly framing: Framing;
  readonly check: Check | undefined;
  /** With the delimiters that it needs. */
  readonly good: Buffer;
  /** Repeated: frames that are none, as many and as long as this framing can be made to look at. */
  readonly hostile: Buffer;
}

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const SML_START = '1b1b1b1b01010101';

export const FRAMING_ROWS: readonly FramingRow[] = [
  {
    name: 'line (NMEA 0183)',
    framing: { type: 'line', delimiter: '\r\n', max: 1024 },
    check: { type: 'xor8', from: 1, to: -3, at: -2, as: 'hex', strip: true, invert: false },
    good: Buffer.from('$GPGLL,5300.97914,N,00259.98174,E,125926,A*28\r\n'),
    hostile: Buffer.from('$*00\r\n'),
  },
  {
    name: 'between (DSMR P1)',
    framing: { type: 'between', start: '/', end: '!', trailer: 6, max: 4096 },
    check: { type: 'crc', from: 0, to: -6, at: -6, as: 'hex', strip: false, preset: 'crc-16-arc' },
    good: Buffer.from('/XMX5LGBBFG1009\r\n\r\n1-0:1.8.1(000123.456*kWh)\r\n0-0:96.13.0()\r\n!6123\r\n'),
    hostile: Buffer.from(`${'/'.repeat(4000)}!`),
  },
  {
    name: 'length (PMS5003)',
    framing: { type: 'length', sync: 'hex:424d', lengthAt: 2, lengthType: 'u16be', adjust: 4, max: 1024 },
    check: { type: 'sum16', from: 0, as: 'be', strip: false, invert: false },
    good: hex('424d001c 0001 0002 0003 0001 0002 0003 0102 0045 0011 0002 0000 0000 9700 01a9'),
    hostile: hex('424d03f0'),
  },
  {
    name: 'fixed (SDS011)',
    framing: { type: 'fixed', sync: 'hex:aac0', length: 10, tail: 'hex:ab' },
    check: { type: 'sum8', from: 2, to: -2, at: -2, as: 'be', strip: false, invert: false },
    good: hex('aac0 d404 3a0a a160 1d ab'),
    hostile: hex('aac0 aac0 aac0 aac0 ff ab'),
  },
  {
    name: 'gap (Modbus RTU)',
    framing: { type: 'gap', silence: 20, max: 256 },
    check: { type: 'crc', from: 0, as: 'le', strip: false, preset: 'modbus' },
    good: hex('01 04 02 ff ff b8 80'),
    hostile: hex('01'),
  },
  {
    name: 'slip (SHDLC)',
    framing: { type: 'slip', escape: 'hdlc', max: 1024 },
    check: { type: 'sum8', from: 0, as: 'be', strip: true, invert: true },
    good: hex('7e 00 00 02 01 03 f9 7e'),
    hostile: hex('7e 7d'),
  },
  {
    name: 'sml',
    framing: { type: 'sml', max: 4096 },
    check: undefined,
    good: hex(`${SML_START} 76070001 1b1b1b1b1b1b1b1b 62006200 72000000 1b1b1b1b1a031136`),
    hostile: hex(`${SML_START}00`),
  },
];

export const NOISES = ['random', '0xff', 'x', 'hostile'] as const;
export type Noise = (typeof NOISES)[number];

/** Fills chunks with the noise, which goes on from one to the next. Random bytes are the same in every run (xorshift32, seed 1). */
export function noiseSource(noise: Noise, hostile: Buffer): (chunk: Buffer) => Buffer {
  let state = 1;
  let at = 0;
  return (chunk) => {
    const bytes = chunk.length;
    if (noise === 'x') return chunk.fill('x');
    if (noise === '0xff') return chunk.fill(0xff);
    for (let index = 0; index < bytes; index += 1) {
      if (noise === 'hostile') {
        chunk[index] = hostile[at] ?? 0;
        at = (at + 1) % hostile.length;
        continue;
      }
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      chunk[index] = state >>> 24;
    }
    return chunk;
  };
}
