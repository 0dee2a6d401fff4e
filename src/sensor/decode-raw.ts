/** Takes a frame as it is: its bytes as hexadecimal digits (`hex`) and their number (`length`). */
import type { Decoder } from './record.ts';

export function rawDecoder(): Decoder {
  return (frame) => ({
    kind: 'record',
    record: new Map([
      ['hex', { kind: 'string', text: frame.toString('hex') }],
      ['length', { kind: 'number', text: String(frame.length) }],
    ]),
  });
}
