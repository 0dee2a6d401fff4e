/**
 * Registers or coils that one Modbus read has brought, decoded to a record by the poll's fields. Pure. A value that is not
 * there (a float that is no number, digits that are none) is left out. The poll's own name stands in `poll`, so that the
 * routes of a sensor with several polls can tell their records apart.
 */
import type { ModbusField, ModbusPoll } from './config.ts';
import type { DecodedRecord, Scalar } from './record.ts';
import { structScalar } from './struct-number.ts';

/**
 * `registers`: two bytes each, or coils eight a byte, the first one lowest; the first is the poll's `at`. Undefined when
 * none of the fields has a value.
 */
export function modbusRecord(poll: ModbusPoll, registers: Buffer): DecodedRecord | undefined {
  const record = new Map<string, Scalar>();
  for (const [name, field] of Object.entries(poll.fields)) {
    const scalar = scalarOf(field, field.at - poll.at, registers);
    if (scalar !== undefined) record.set(name, scalar);
  }
  if (record.size === 0) return undefined;
  if (poll.name !== undefined && !record.has('poll')) record.set('poll', { kind: 'text', text: poll.name });
  return record;
}

function scalarOf({ type, length, bits }: ModbusField, place: number, registers: Buffer): Scalar | undefined {
  if (type !== 'bit') return structScalar(registers, { at: place * 2, type, length, bits });
  const byte = registers[place >> 3];
  return byte === undefined ? undefined : { kind: 'boolean', text: String(((byte >> (place & 7)) & 1) === 1) };
}
