/** CRC-16/X-25 (HDLC's check, ISO/IEC 13239), by which each SML message proves itself whole. Of "123456789" it is 906e. */

/** x^16 + x^12 + x^5 + 1, least significant bit first. */
const POLYNOMIAL = 0x8408;

export function crc16X25(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  }
  return crc ^ 0xffff;
}
