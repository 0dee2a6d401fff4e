/** ULID (github.com/ulid/spec): 48 bits of milliseconds and 80 bits of chance, 26 letters that sort by time. */
import type { Chance } from '../ports.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function ulid(nowMs: number, chance: Chance): string {
  let bits = BigInt(Math.max(0, Math.floor(nowMs))) & 0xffff_ffff_ffffn;
  for (const byte of chance.bytes(10)) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let letter = 0; letter < 26; letter += 1) {
    text = ALPHABET[Number(bits & 31n)] + text;
    bits >>= 5n;
  }
  return text;
}
