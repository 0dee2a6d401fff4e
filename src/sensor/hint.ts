/**
 * What the bytes of a line look like when none of them makes a reading: the most frequent mistakes of an installer are a
 * wrong baud rate, wrong parity, crossed wires, and each leaves its mark in the bytes. Pure. A guess, told as one.
 */
import type { PortSpec } from '../ports-line.ts';
import type { DecodeConfig } from './config.ts';

/** Fewer bytes say nothing. */
const BYTES_MIN = 32;
const NEARLY_ALL = 0.95;

const BINARY: readonly DecodeConfig['type'][] = ['struct', 'sml', 'raw'];

/** Undefined: nothing to say. */
export function lineHint(bytes: Buffer, port: PortSpec, decode: DecodeConfig['type']): string | undefined {
  if (bytes.length === 0) return 'nothing comes: check wiring, power, and whether and how the device must be asked';
  if (bytes.length < BYTES_MIN) return undefined;
  const share = (test: (byte: number) => boolean): number => bytes.filter(test).length / bytes.length;
  const rate = port.kind === 'tty' ? ` (now ${port.baudRate} Bd)` : '';
  if (share((byte) => byte === 0x00 || byte === 0xff) > NEARLY_ALL) {
    return `nearly all bytes are 00 or ff: the line is inverted, crossed, or at another baud rate${rate}`;
  }
  if (BINARY.includes(decode)) return undefined;
  if (share(isTextByte) > NEARLY_ALL) return 'the bytes are readable text: check framing, check and decode';
  if (share((byte) => isTextByte(byte & 0x7f)) > NEARLY_ALL) {
    if (share((byte) => ones(byte) % 2 === 0) > NEARLY_ALL) return sevenBits('even');
    if (share((byte) => ones(byte) % 2 === 1) > NEARLY_ALL) return sevenBits('odd');
  }
  const strange = Math.round(100 * share((byte) => !isTextByte(byte)));
  return `${strange} % of the bytes are no text: check baud rate and parity${rate}`;
}

function sevenBits(parity: 'even' | 'odd'): string {
  return `the bytes look like 7 data bits with ${parity} parity: set dataBits 7 and parity "${parity}"`;
}

function isTextByte(byte: number): boolean {
  return (
    (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x02 || byte === 0x03
  );
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count += 1;
  return count;
}
