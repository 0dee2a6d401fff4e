/** Shows what a decoder makes of a frame, for table cases; and feeds it bytes of chance. */
import fc from 'fast-check';
import type { Decoder } from '../../src/sensor/record.ts';

/** Each value as "kind text", or the reason why there are none. */
export function shown(decoder: Decoder, frame: string | Uint8Array): Record<string, string> | string {
  const decoded = decoder(typeof frame === 'string' ? Buffer.from(frame, 'latin1') : Buffer.from(frame));
  if (decoded.kind === 'invalid') return decoded.reason;
  return Object.fromEntries([...decoded.record].map(([name, { kind, text }]) => [name, `${kind} ${text}`]));
}

/** Whatever the bytes, and whatever is done to good ones: a verdict, and never an exception. */
export function neverThrows(decoder: Decoder, good: Buffer): void {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void decoder(Buffer.from(bytes))),
    { numRuns: 1000 },
  );
  const place = fc.nat(good.length - 1);
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 }), place, (changes, length) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      decoder(bytes);
      decoder(bytes.subarray(0, length));
      decoder(bytes.subarray(length));
    }),
    { numRuns: 1000 },
  );
}
