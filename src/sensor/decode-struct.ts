/**
 * Decodes a frame of binary values at fixed places. A float that is no number (NaN, infinity) is absent; a value that
 * does not fit into the frame, or is not what its type says, makes the whole frame invalid.
 */
import type { StructField } from './config.ts';
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';
import { structValue } from './struct-number.ts';

export function structDecoder(fields: Readonly<Record<string, StructField>>): Decoder {
  const named = Object.entries(fields);
  return (frame): Decoded => {
    const record = new Map<string, Scalar>();
    for (const [name, field] of named) {
      const value = structValue(frame, field);
      if (value.kind === 'invalid') return invalid(value.reason);
      if (value.kind === 'value') record.set(name, value.scalar);
    }
    return { kind: 'record', record };
  };
}
