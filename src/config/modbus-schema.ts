/**
 * `sensors[].modbus`: a Modbus RTU server, which the agent asks as the client (Modbus over Serial Line 1.02). Registers are
 * numbered as on the wire, from 0: "30001" of a manual is register 0 of function 4.
 */
import * as v from 'valibot';
import { choice, duration, name, section, wholeNumber } from './elements.ts';
import { fieldBytes } from './fixed-frame.ts';
import { hasOneTime, pollTime, WHEN_EXPECTED } from './poll-schema.ts';
import {
  BITS_EXPECTED,
  hasRightBits,
  hasRightLength,
  LENGTH_EXPECTED,
  NUMBER_TYPES,
  structFields,
  structValue,
} from './struct-schema.ts';

const POLLS_EXPECTED = 'a list of 1 to 32 polls';
const COUNT_EXPECTED = 'at most 125 registers or 2000 coils, none beyond address 65535';
const POLL_EXPECTED = 'fields of other names: `poll` is the name of the request';
const WITHIN_EXPECTED =
  'fields within the registers that are read; bit with functions 1 and 2, the others with 3 and 4';

const field = v.pipe(
  section('A value in registers.', {
    at: wholeNumber('Address of its first register or coil.', 0, 65_535),
    type: choice('Type and byte order; cdab: words swapped.', [...NUMBER_TYPES, 'bit']),
    ...structValue,
  }),
  v.forward(v.partialCheck([['type'], ['length']], hasRightLength, LENGTH_EXPECTED), ['length']),
  v.forward(v.partialCheck([['type'], ['bits']], hasRightBits, BITS_EXPECTED), ['bits']),
);

const keys = section('One request, asked again and again.', {
  name: v.exactOptional(
    name('What `poll` is in the readings of this request, for `when`. Default: its number, from 0.'),
  ),
  ...pollTime,
  fc: choice('Function: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers.', [1, 2, 3, 4]),
  at: wholeNumber('Address of the first register or coil.', 0, 65_535),
  count: wholeNumber('How many.', 1, 2000),
  fields: structFields(field),
});

const request = v.pipe(
  keys,
  v.partialCheck([['every'], ['cron']], hasOneTime, WHEN_EXPECTED),
  v.forward(v.partialCheck([['fc'], ['at'], ['count']], isReadable, COUNT_EXPECTED), ['count']),
  v.forward(
    v.partialCheck([['fields']], ({ fields }) => !Object.hasOwn(fields, 'poll'), POLL_EXPECTED),
    ['fields'],
  ),
  v.forward(v.partialCheck([['fc'], ['at'], ['count'], ['fields']], holdsFields, WITHIN_EXPECTED), ['fields']),
);

export const modbusSchema = section('A Modbus RTU server. Sensors of one port share the bus.', {
  unit: wholeNumber('Address of the server.', 1, 247),
  timeout: v.optional(duration('Time for an answer.', 10, 60_000), '500ms'),
  retries: v.optional(wholeNumber('Times that a request without a sound answer is repeated at once.', 0, 10), 2),
  gap: v.exactOptional(
    duration('Silence before a request. Default: 3.5 characters of the baud rate, at least 1.75 ms.', 1, 1000),
  ),
  polls: v.pipe(
    v.array(request, POLLS_EXPECTED),
    v.minLength(1, POLLS_EXPECTED),
    v.maxLength(32, POLLS_EXPECTED),
    v.description('What is read. 1 to 32.'),
  ),
});

interface Range {
  readonly fc: number;
  readonly at: number;
  readonly count: number;
}

function isReadable({ fc, at, count }: Range): boolean {
  return count <= (fc <= 2 ? 2000 : 125) && at + count <= 65_536;
}

interface Place {
  readonly at: number;
  readonly type: string;
  readonly length?: number | undefined;
}

function holdsFields(poll: Range & { readonly fields: Readonly<Record<string, Place>> }): boolean {
  return Object.values(poll.fields).every((each) => {
    const isBit = each.type === 'bit';
    if (isBit !== poll.fc <= 2) return false;
    const registers = isBit ? 1 : Math.ceil(fieldBytes(each) / 2);
    return each.at >= poll.at && each.at + registers <= poll.at + poll.count;
  });
}
