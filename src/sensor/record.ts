/**
 * A decoded frame: named values, each still the text that the sensor wrote, so that no number has been through a binary
 * float when it reaches an event.
 */

export interface Scalar {
  /** `text`: from a format without types (csv, regex); what it means, its field says. */
  readonly kind: 'number' | 'string' | 'boolean' | 'text';
  readonly text: string;
}

export type DecodedRecord = ReadonlyMap<string, Scalar>;

/** `reason` is one of few fixed texts, never part of the frame. */
export type Decoded =
  | { readonly kind: 'record'; readonly record: DecodedRecord }
  | { readonly kind: 'invalid'; readonly reason: string };

export type Decoder = (frame: Buffer) => Decoded;

export function invalid(reason: string): Decoded {
  return { kind: 'invalid', reason };
}
