/**
 * Bytes as device.json writes them: a text stands for its UTF-8 bytes, a text that begins with `hex:` for the bytes that
 * its digits spell, in pairs, blanks between pairs allowed: `"/?!\r\n"`, `"hex:ff 01 86"`.
 */
const HEX_TEXT = /^hex:((?:[0-9A-Fa-f]{2} ?)+)$/;

/** Undefined when the text begins with `hex:` and what follows is no pairs of digits, or when it is empty. */
export function parseBytesText(text: string): Buffer | undefined {
  if (!text.startsWith('hex:')) return text === '' ? undefined : Buffer.from(text, 'utf8');
  const digits = HEX_TEXT.exec(text)?.[1];
  return digits === undefined ? undefined : Buffer.from(digits.replaceAll(' ', ''), 'hex');
}

/** Bytes of a text that the configuration has judged already; none for an empty one. */
export function bytesOfText(text: string): Buffer {
  return parseBytesText(text) ?? Buffer.alloc(0);
}
