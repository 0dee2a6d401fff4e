/**
 * `sensors[].routes[]`: which readings become telemetry and which become events, under which names. Every route whose
 * `when` fits takes the reading; a route is either telemetry or an event, never both.
 */
import * as v from 'valibot';
import { unitSchema } from './decode-schema.ts';
import {
  choice,
  duration,
  fieldName,
  name,
  oneOfText,
  sampleEncoding,
  section,
  text,
  wholeNumber,
} from './elements.ts';

const REDUCTIONS = ['last', 'mean', 'min', 'max', 'count'] as const;
const LITERAL_EXPECTED = 'a text, a number, true or false';
const FIELDS_EXPECTED = 'an object with 1 to 64 fields';
const SCALE_EXPECTED = 'a decimal number other than 0 as text, such as "0.001"';
const NUMBER_EXPECTED = 'a number';
const AMOUNT_EXPECTED = 'a decimal number of 0 or more as text, such as "0.5"';
const UNIT_EXPECTED = 'an object with at most one of unit and unitFrom';
const STEP_EXPECTED = 'left out: only a monotonic register has a stepMax';
const FIELD_EXPECTED = 'a field of this route';
const RULE_EXPECTED = 'an object with at most one of every, onChange and stable';
const DAY_EXPECTED = 'a duration that divides the day';
const REDUCE_EXPECTED = `${oneOfText(REDUCTIONS)}, or a list of them, each once`;
const RANGE_EXPECTED = 'a range with min at most max';

const from = text("The decoder's name of the value.", 64);
const scale = v.pipe(
  v.string(SCALE_EXPECTED),
  v.regex(/^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?$/, SCALE_EXPECTED),
  v.check((value) => Number(value) !== 0, SCALE_EXPECTED),
  v.description('Factor, exact: 1010 x 0.001 is "1.010".'),
);
const positiveDecimal = (description: string) =>
  v.pipe(
    v.string(AMOUNT_EXPECTED),
    v.regex(/^(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?$/, AMOUNT_EXPECTED),
    v.description(description),
  );
const min = v.pipe(v.number(NUMBER_EXPECTED), v.description('Below this, after scaling, the value is out of range.'));
const max = v.pipe(v.number(NUMBER_EXPECTED), v.description('Above this, after scaling, the value is out of range.'));

/** What fields of samples and of events have alike. */
const common = {
  from,
  unit: unitSchema,
  unitFrom: v.exactOptional(text("The decoder's name of the value that holds the unit.", 64)),
  scale: v.exactOptional(scale),
  min: v.exactOptional(min),
  max: v.exactOptional(max),
  monotonic: v.exactOptional(
    v.pipe(
      v.boolean('true or false'),
      v.description('A register that only rises: a value that falls, or rises by more than stepMax, is flagged.'),
    ),
  ),
  stepMax: v.exactOptional(
    positiveDecimal('The most that the register may rise from one reading to the next, after scaling.'),
  ),
};

const telemetryField = v.pipe(
  section('A value of a sample. Out of range, or flagged, it is dropped and counted.', common),
  v.partialCheck([['min'], ['max']], isRange, RANGE_EXPECTED),
  v.partialCheck([['unit'], ['unitFrom']], hasOneUnit, UNIT_EXPECTED),
  v.forward(v.partialCheck([['monotonic'], ['stepMax']], hasRegister, STEP_EXPECTED), ['stepMax']),
);

const eventField = v.pipe(
  section('A value of an event. Out of range, or flagged, it is kept and marked as suspect.', {
    ...common,
    as: v.optional(
      choice('How the value is kept; decimals stay text, as the meter wrote them.', [
        'decimal',
        'integer',
        'string',
        'boolean',
      ]),
      'decimal',
    ),
  }),
  v.partialCheck([['min'], ['max']], isRange, RANGE_EXPECTED),
  v.partialCheck([['unit'], ['unitFrom']], hasOneUnit, UNIT_EXPECTED),
  v.forward(v.partialCheck([['monotonic'], ['stepMax']], hasRegister, STEP_EXPECTED), ['stepMax']),
  v.partialCheck(
    [['as'], ['scale'], ['min'], ['max'], ['monotonic']],
    (field) =>
      field.as === 'decimal' ||
      field.as === 'integer' ||
      [field.scale, field.min, field.max, field.monotonic].every((each) => each === undefined),
    'without scale, min, max and monotonic: they are for decimals and integers',
  ),
);

const reduction = choice('What a sample takes of the readings since the last one.', REDUCTIONS);

const telemetry = v.pipe(
  section('Sent as telemetry: QoS 0, may be lost.', {
    every: v.optional(duration('Time between two samples; 0s sends each reading.', 0, 86_400_000), '10s'),
    reduce: v.optional(
      v.pipe(
        v.union(
          [
            reduction,
            v.pipe(
              v.array(reduction, REDUCE_EXPECTED),
              v.minLength(1, REDUCE_EXPECTED),
              v.check((list) => new Set(list).size === list.length, REDUCE_EXPECTED),
            ),
          ],
          REDUCE_EXPECTED,
        ),
        v.description(
          'What a sample takes of the readings since the last one. With a list: temp.min, temp.max and so on.',
        ),
      ),
      'last',
    ),
    onChange: v.exactOptional(
      v.pipe(
        v.record(
          fieldName,
          positiveDecimal('The least change that counts; "0": any.'),
          'an object of amounts by field',
        ),
        v.description(
          'A change of one of these fields sends a sample at once; every is then the longest time between two.',
        ),
      ),
    ),
    gap: v.exactOptional(duration('The least time between two samples that onChange or every 0s sends.', 1, 3_600_000)),
    encoding: sampleEncoding,
    fields: fieldsOf(telemetryField),
  }),
  v.forward(
    v.partialCheck(
      [['onChange'], ['fields']],
      ({ onChange = {}, fields }) => Object.keys(onChange).every((key) => Object.hasOwn(fields, key)),
      'an object whose keys are fields of this route',
    ),
    ['onChange'],
  ),
  v.forward(
    v.partialCheck(
      [['every'], ['onChange'], ['gap']],
      ({ every, onChange, gap }) => gap === undefined || every === 0 || onChange !== undefined,
      'left out: it holds back only what onChange or every 0s sends',
    ),
    ['gap'],
  ),
);

const notOwnStream = (own: string) =>
  v.check((stream: string) => stream !== own, `another name: the stream "${own}" is the agent's own`);

const eventKeys = section('Kept in the ledger and delivered exactly once.', {
  stream: v.pipe(name('Last level of the event topic.'), notOwnStream('agent'), notOwnStream('audit')),
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
  every: v.exactOptional(
    v.pipe(
      duration(
        'One event in each such part of the day (UTC): 15m at :00, :15, :30 and :45. The first reading in it.',
        1000,
        86_400_000,
      ),
      v.check((ms) => 86_400_000 % ms === 0, DAY_EXPECTED),
    ),
  ),
  onChange: v.exactOptional(
    section('An event only when a field has changed.', {
      field: text('Name of the field.', 64),
      by: v.optional(positiveDecimal('The least change that counts; "0": any.'), '0'),
    }),
  ),
  stable: v.exactOptional(
    section('An event when a field has come to rest at another value than that of the last event.', {
      field: text('Name of the field.', 64),
      within: positiveDecimal('The most that it may differ and still rest.'),
      frames: v.optional(wholeNumber('Readings in a row.', 2, 1000), 3),
    }),
  ),
  fields: fieldsOf(eventField),
});

const event = v.pipe(
  eventKeys,
  v.partialCheck(
    [['every'], ['onChange'], ['stable']],
    ({ every, onChange, stable }) => [every, onChange, stable].filter((rule) => rule !== undefined).length <= 1,
    RULE_EXPECTED,
  ),
  v.forward(
    v.partialCheck(
      [['onChange'], ['fields']],
      ({ onChange, fields }) => onChange === undefined || Object.hasOwn(fields, onChange.field),
      FIELD_EXPECTED,
    ),
    ['onChange', 'field'],
  ),
  v.forward(
    v.partialCheck(
      [['stable'], ['fields']],
      ({ stable, fields }) => stable === undefined || Object.hasOwn(fields, stable.field),
      FIELD_EXPECTED,
    ),
    ['stable', 'field'],
  ),
);

const answer = section('What the sensor is told once the event is on disk, and again when it repeats the record.', {
  write: rawText('Text to write; {name} is replaced by the value of that name.', 1024),
});

const ROUTE_EXPECTED = 'an object with either telemetry or event';

const keys = section('A route: either telemetry or event.', {
  when: v.optional(
    v.pipe(
      v.record(
        text("The decoder's name of the value.", 64),
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
  v.forward(
    v.partialCheck(
      [['answer'], ['event']],
      ({ answer: reply, event: kept }) =>
        reply === undefined || [kept?.every, kept?.onChange, kept?.stable].every((rule) => rule === undefined),
      'left out: with every, onChange or stable not each record becomes an event, so the sensor would wait for ever',
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

function hasOneUnit(field: { readonly unit?: string; readonly unitFrom?: string }): boolean {
  return field.unit === undefined || field.unitFrom === undefined;
}

function hasRegister(field: { readonly monotonic?: boolean; readonly stepMax?: string }): boolean {
  return field.stepMax === undefined || field.monotonic === true;
}

function isRange(field: { readonly min?: number; readonly max?: number }): boolean {
  return (field.min ?? Number.NEGATIVE_INFINITY) <= (field.max ?? Number.POSITIVE_INFINITY);
}

/** Text that may hold line ends and control characters: it goes to a device. As it stands, so nobody may mean `hex:`. */
function rawText(description: string, lengthMax: number) {
  const expected = `a text of 1 to ${lengthMax} characters without hex:`;
  return v.pipe(
    v.string(expected),
    v.minLength(1, expected),
    v.maxLength(lengthMax, expected),
    v.check((value) => !value.startsWith('hex:'), expected),
    v.description(description),
  );
}
