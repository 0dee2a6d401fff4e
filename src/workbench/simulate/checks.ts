/**
 * Check values of the virtual meters, bit by bit from the polynomials. On purpose not the agent's own tables
 * (src/serial/crc.ts): each of the two shows a mistake in the other.
 */

/** CRC-16/ARC: x16 + x15 + x2 + 1, reflected, begins with 0. DSMR P1. */
export function crcArc(bytes: Uint8Array): number {
  return reflectedCrc16(bytes, 0xa001, 0);
}

/** CRC-16/X-25: x16 + x12 + x5 + 1, reflected, begins with ones, ends inverted. SML. */
export function crcX25(bytes: Uint8Array): number {
  return reflectedCrc16(bytes, 0x8408, 0xffff) ^ 0xffff;
}

/** CRC-16/MODBUS. */
export function crcModbus(bytes: Uint8Array): number {
  return reflectedCrc16(bytes, 0xa001, 0xffff);
}

function reflectedCrc16(bytes: Uint8Array, polynomial: number, start: number): number {
  let register = start;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit += 1) register = (register >> 1) ^ ((register & 1) * polynomial);
  }
  return register;
}

export function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

/** Of all bytes: NMEA 0183's checksum, IEC 62056-21's block check character. */
export function xorOf(bytes: Uint8Array): number {
  return bytes.reduce((all, byte) => all ^ byte, 0);
}
