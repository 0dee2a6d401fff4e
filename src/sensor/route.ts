/**
 * Routes: what a decoded frame is to become. Pure. A frame goes to every route whose `when` it fits. An event that lacks
 * one of its fields, its own number, or what its answer needs is no event: it is reported and not answered, so the sensor
 * keeps it.
 */
import { bytesOfText } from '../bytes-text.ts';
import type { EventDraft, EventField } from '../ports.ts';
import type { Framing } from '../serial/framing.ts';
import { type AnswerTemplate, parseAnswer, renderAnswer } from './answer.ts';
import type { EventRoute, Literal, RouteConfig, SensorConfig, TelemetryField, TelemetryRoute } from './config.ts';
import { compareDecimals, parseDecimal } from './decimal.ts';
import { eventField, telemetryValue } from './field.ts';
import type { DecodedRecord, Scalar } from './record.ts';

/** A value on its way out as telemetry. */
export interface Reading {
  readonly name: string;
  readonly value: number | string | boolean;
  readonly unit: string | undefined;
}

export interface Route {
  /** Its place in the configuration. */
  readonly index: number;
  readonly when: Readonly<Record<string, Literal>>;
  readonly telemetry: TelemetryRoute | undefined;
  readonly event: EventRoute | undefined;
  readonly answer: AnswerTemplate | undefined;
}

export type Outcome =
  | {
      readonly kind: 'readings';
      readonly route: number;
      readonly readings: readonly Reading[];
      readonly outOfRange: number;
      readonly unusable: number;
    }
  | {
      readonly kind: 'event';
      readonly route: number;
      readonly draft: EventDraft;
      readonly answer: Buffer | undefined;
    }
  /** `reason` names fields of the configuration, never values. */
  | { readonly kind: 'no-event'; readonly route: number; readonly reason: string };

export function routesOf(config: SensorConfig): readonly Route[] {
  return config.routes.map((route, index) => ({
    index,
    when: route.when ?? {},
    telemetry: route.telemetry,
    event: route.event,
    answer: answerOf(route, config.framing),
  }));
}

function answerOf(route: RouteConfig, framing: Framing): AnswerTemplate | undefined {
  if (route.answer === undefined) return undefined;
  const delimiter = framing.type === 'line' ? bytesOfText(framing.delimiter).toString('latin1') : '\n';
  return parseAnswer(route.answer.write, delimiter);
}

/** What becomes of a frame; empty when no route takes it. */
export function planFrame(
  sensor: string,
  routes: readonly Route[],
  record: DecodedRecord,
  frame: Buffer,
): readonly Outcome[] {
  const outcomes: Outcome[] = [];
  for (const route of routes) {
    if (!fits(route.when, record)) continue;
    if (route.telemetry !== undefined) outcomes.push(planReadings(route.index, route.telemetry, record));
    if (route.event !== undefined) outcomes.push(planEvent(sensor, route, route.event, record, frame));
  }
  return outcomes;
}

function fits(when: Route['when'], record: DecodedRecord): boolean {
  return Object.entries(when).every(([name, wanted]) => {
    const scalar = record.get(name);
    return scalar !== undefined && isLiteral(scalar, wanted);
  });
}

/** Numbers by value (5 fits 5.0); text without a type fits what it spells. */
function isLiteral(scalar: Scalar, wanted: Literal): boolean {
  if (typeof wanted === 'string') return (scalar.kind === 'string' || scalar.kind === 'text') && scalar.text === wanted;
  if (typeof wanted === 'boolean') {
    return (scalar.kind === 'boolean' || scalar.kind === 'text') && scalar.text === String(wanted);
  }
  if (scalar.kind !== 'number' && scalar.kind !== 'text') return false;
  const found = parseDecimal(scalar.text);
  const number = parseDecimal(String(wanted));
  return found !== undefined && number !== undefined && compareDecimals(found, number) === 0;
}

/** Fields that the frame does not have are left out: a device may send them in turns. */
function planReadings(route: number, telemetry: TelemetryRoute, record: DecodedRecord): Outcome {
  const readings: Reading[] = [];
  let outOfRange = 0;
  let unusable = 0;
  for (const [name, field] of Object.entries(telemetry.fields)) {
    const scalar = record.get(field.from);
    if (scalar === undefined) continue;
    const value = telemetryValue(field, scalar);
    if (value.kind === 'value') readings.push({ name, value: value.value, unit: unitOf(field, record) ?? field.unit });
    else if (value.kind === 'out-of-range') outOfRange += 1;
    else unusable += 1;
  }
  return { kind: 'readings', route, readings, outOfRange, unusable };
}

function planEvent(sensor: string, route: Route, event: EventRoute, record: DecodedRecord, frame: Buffer): Outcome {
  const noEvent = (reason: string): Outcome => ({ kind: 'no-event', route: route.index, reason });
  const data: [name: string, value: EventField][] = [];
  for (const [name, field] of Object.entries(event.fields)) {
    const scalar = record.get(field.from);
    if (scalar === undefined) return noEvent(`${field.from} is missing`);
    const value = eventField(field, scalar, unitOf(field, record));
    if (value === undefined) return noEvent(`${field.from} is not what ${name} says it is`);
    data.push([name, value]);
  }
  const source = event.dedupe === undefined ? undefined : sourceOf(event.dedupe, record);
  if (typeof source === 'string') return noEvent(source);
  const answer = route.answer === undefined ? undefined : renderAnswer(route.answer, record);
  // Before the append: what can not be answered comes again and again, without a number each time as a new event.
  if (answer?.kind === 'unusable') return noEvent(answer.reason);
  const draft = { sensor, stream: event.stream, type: event.type, data: Object.fromEntries(data), raw: frame };
  return {
    kind: 'event',
    route: route.index,
    draft: source === undefined ? draft : { ...draft, source },
    answer: answer?.bytes,
  };
}

/** The unit that stands in the frame; what can not be one is left out. */
function unitOf(field: TelemetryField, record: DecodedRecord): string | undefined {
  const text = field.unitFrom === undefined ? undefined : record.get(field.unitFrom)?.text;
  return text !== undefined && /^\P{Cc}{1,32}$/u.test(text) ? text : undefined;
}

/** The sensor's own number of the event, or why it has none. */
function sourceOf(
  dedupe: NonNullable<EventRoute['dedupe']>,
  record: DecodedRecord,
): NonNullable<EventDraft['source']> | string {
  const epoch = record.get(dedupe.epoch)?.text;
  const seq = record.get(dedupe.seq)?.text;
  if (epoch === undefined) return `${dedupe.epoch} is missing`;
  if (seq === undefined) return `${dedupe.seq} is missing`;
  if (!/^\P{Cc}{1,64}$/u.test(epoch)) return `${dedupe.epoch} is not 1 to 64 characters without control characters`;
  if (!/^\d{1,16}$/.test(seq) || !Number.isSafeInteger(Number(seq))) return `${dedupe.seq} is not a whole number`;
  return { epoch, seq };
}
