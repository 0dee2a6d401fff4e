/**
 * `sensors[].routes[]`: which readings become telemetry and which become events, under which names. Every route whose
 * `when` fits takes the reading; a route is either telemetry or an event, never both.
 */
import * as v from 'valibot';
import { unitSchema } from './decode-schema.ts';
import { choice, duration, fieldName, name, section, text } from './elements.ts';

const LITERAL_EXPECTED = 'a text, a number, true or false';
const FIELDS_EXPECTED = 'an object with 1 to 64 fields';
const SCALE_EXPECTED = 'a decimal number other than 0 as text, such as "0.001"';
const NUMBER_EXPECTED = 'a number';
const RANGE_EXPECTED = 'a range with min at most max';

const from = text("The decoder's name of the value.", 64);
const scale = v.pipe(
  v.string(SCALE_EXPECTED),
  v.regex(/^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?$/, SCALE_EXPECTED),
  v.check((value) => Number(value) !== 0, SCALE_EXPECTED),
  v.description('Factor, exact: 1010 x 0.001 is "1.010".'),
);
const min = v.pipe(v.number(NUMBER_EXPECTED), v.description('Below this, after scaling, the value is out of range.'));
const max = v.pipe(v.number(NUMBER_EXPECTED), v.description('Above this, after scaling, the value is out of range.'));

const telemetryField = v.pipe(
  section('A value of a sample.', {
    from,
    unit: unitSchema,
    min: v.exactOptional(min),
    max: v.exactOptional(max),
    scale: v.exactOptional(scale),
  }),
  v.partialCheck([['min'], ['max']], isRange, RANGE_EXPECTED),
);

const eventField = v.pipe(
  section('A value of an event. Out of range it is kept and marked as suspect.', {
    from,
    unit: unitSchema,
    scale: v.exactOptional(scale),
    as: v.optional(
      choice('How the value is kept; decimals stay text, as the meter wrote them.', [
        'decimal',
        'integer',
        'string',
        'boolean',
      ]),
      'decimal',
    ),
    min: v.exactOptional(min),
    max: v.exactOptional(max),
  }),
  v.partialCheck([['min'], ['max']], isRange, RANGE_EXPECTED),
  v.partialCheck(
    [['as'], ['scale'], ['min'], ['max']],
    (field) =>
      field.as === 'decimal' ||
      field.as === 'integer' ||
      [field.scale, field.min, field.max].every((each) => each === undefined),
    'without scale, min and max: they are for decimals and integers',
  ),
);

const telemetry = section('Sent as telemetry: QoS 0, may be lost.', {
  every: v.optional(duration('Time between two samples; 0s sends each reading.', 0, 86_400_000), '10s'),
  reduce: v.optional(choice('What a sample takes of the readings since the last one.', ['last', 'mean']), 'last'),
  fields: fieldsOf(telemetryField),
});

const AGENT_STREAM_EXPECTED = 'another name: the stream "agent" is the agent\'s own';

const event = section('Kept in the ledger and delivered exactly once.', {
  stream: v.pipe(
    name('Last level of the event topic.'),
    v.check((stream) => stream !== 'agent', AGENT_STREAM_EXPECTED),
  ),
  type: name("The event's type."),
  dedupe: v.exactOptional(
    section(
      "Names of the values that number the sensor's own records, so that a repeated record makes no second event.",
      {
        epoch: text("Names one life of the sensor's numbering, such as a boot identifier.", 64),
        seq: text('The whole number within that life.', 64),
      },
    ),
  ),
  fields: fieldsOf(eventField),
});

const answer = section('What the sensor is told once the event is on disk, and again when it repeats the record.', {
  write: rawText('Text to write; {name} is replaced by the value of that name.', 1024),
});

const ROUTE_EXPECTED = 'an object with either telemetry or event';

const keys = section('A route: either telemetry or event.', {
  when: v.optional(
    v.pipe(
      v.record(
        fieldName,
        v.union([v.string(), v.number(), v.boolean()], LITERAL_EXPECTED),
        `an object of values: ${LITERAL_EXPECTED}`,
      ),
      v.description('Values that a reading must have for this route. Default: every reading.'),
    ),
    {},
  ),
  telemetry: v.exactOptional(telemetry),
  event: v.exactOptional(event),
  answer: v.exactOptional(answer),
});

export const routeSchema = v.pipe(
  keys,
  v.metadata({ oneOf: [{ required: ['telemetry'] }, { required: ['event'] }] }),
  v.partialCheck(
    [['telemetry'], ['event']],
    (route) => (route.telemetry === undefined) !== (route.event === undefined),
    ROUTE_EXPECTED,
  ),
  v.forward(
    v.partialCheck(
      [['answer'], ['event'], ['telemetry']],
      (route) => route.answer === undefined || route.event !== undefined,
      'left out: only an event is answered, once it is on disk',
    ),
    ['answer'],
  ),
  v.transform(({ when, telemetry: samples, event: record, answer: reply }) => {
    if (samples !== undefined) return { kind: 'telemetry' as const, when, telemetry: samples };
    // The check above leaves no route with neither.
    const kept = record ?? { stream: '', type: '', fields: {} };
    return { kind: 'event' as const, when, event: kept, ...(reply === undefined ? {} : { answer: reply }) };
  }),
);

function fieldsOf<const Field extends v.GenericSchema>(field: Field) {
  return v.pipe(
    v.record(fieldName, field, FIELDS_EXPECTED),
    v.minEntries(1, FIELDS_EXPECTED),
    v.maxEntries(64, FIELDS_EXPECTED),
    v.description('Fields of the payload by name. 1 to 64.'),
  );
}

function isRange(field: { readonly min?: number; readonly max?: number }): boolean {
  return (field.min ?? Number.NEGATIVE_INFINITY) <= (field.max ?? Number.POSITIVE_INFINITY);
}

/** Text that may hold line ends and control characters: it goes to a device. */
function rawText(description: string, lengthMax: number) {
  const expected = `a text of 1 to ${lengthMax} characters`;
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(lengthMax, expected),
    v.description(description),
  );
}
