/**
 * A field of a route: what becomes of one decoded value. Telemetry takes it as a number of the machine, and drops it when
 * it is out of range. An event takes it exactly, and keeps it when it is out of range, marked as suspect: what a billing
 * meter said is never thrown away in silence.
 */
import type { EventField } from '../ports.ts';
import type { EventRouteField, TelemetryField } from './config.ts';
import {
  compareDecimals,
  type Decimal,
  formatDecimal,
  multiplyDecimals,
  parseDecimal,
  plainDecimal,
  wholeOf,
} from './decimal.ts';
import type { Scalar } from './record.ts';

/** Characters of a text value in telemetry and in an event. */
const TELEMETRY_TEXT_MAX = 256;
const EVENT_TEXT_MAX = 1024;

export type TelemetryValue =
  | { readonly kind: 'value'; readonly value: number | string | boolean }
  | { readonly kind: 'out-of-range' }
  | { readonly kind: 'unusable' };

export function telemetryValue(field: TelemetryField, scalar: Scalar): TelemetryValue {
  const isNumeric = field.scale !== undefined || field.min !== undefined || field.max !== undefined;
  if (scalar.kind === 'boolean') {
    return isNumeric ? { kind: 'unusable' } : { kind: 'value', value: scalar.text === 'true' };
  }
  // A JSON string stays one ("00123" is a serial number), unless the field says that it is a number.
  const decimal = scalar.kind === 'string' && !isNumeric ? undefined : scaled(field, scalar);
  if (decimal === undefined) {
    if (isNumeric || scalar.kind === 'number' || scalar.text.length > TELEMETRY_TEXT_MAX) return { kind: 'unusable' };
    return { kind: 'value', value: scalar.text };
  }
  if (!inRange(field, decimal)) return { kind: 'out-of-range' };
  return { kind: 'value', value: Number(formatDecimal(decimal)) };
}

/** Undefined when the value is not what the field says it is. `unit`: what `unitFrom` has found. */
export function eventField(field: EventRouteField, scalar: Scalar, unit?: string): EventField | undefined {
  const value = field.as === 'decimal' || field.as === 'integer' ? numeric(field, scalar) : plain(field.as, scalar);
  if (value === undefined) return undefined;
  const named = unit ?? field.unit;
  return named === undefined ? value : { value: value.value, unit: named, quality: value.quality };
}

function numeric(field: EventRouteField, scalar: Scalar): EventField | undefined {
  const decimal = scaled(field, scalar);
  if (decimal === undefined) return undefined;
  const quality = inRange(field, decimal) ? 'good' : 'suspect';
  if (field.as === 'decimal') {
    const value = field.scale === undefined ? plainDecimal(scalar.text.trim()) : formatDecimal(decimal);
    return value === undefined ? undefined : { value, quality };
  }
  const whole = wholeOf(decimal);
  if (whole === undefined) return undefined;
  const number = Number(whole);
  // JSON readers would round it; as text it arrives whole, and marked, because its type is not the promised one.
  if (!Number.isSafeInteger(number)) return { value: whole.toString(), quality: 'suspect' };
  return { value: number, quality };
}

function plain(as: 'string' | 'boolean', scalar: Scalar): EventField | undefined {
  if (as === 'string') {
    return scalar.text.length > EVENT_TEXT_MAX ? undefined : { value: scalar.text, quality: 'good' };
  }
  if (scalar.text === 'true' || scalar.text === '1') return { value: true, quality: 'good' };
  if (scalar.text === 'false' || scalar.text === '0') return { value: false, quality: 'good' };
  return undefined;
}

function scaled(field: TelemetryField, scalar: Scalar): Decimal | undefined {
  if (scalar.kind === 'boolean') return undefined;
  const decimal = parseDecimal(scalar.text.trim());
  if (decimal === undefined || field.scale === undefined) return decimal;
  const scale = parseDecimal(field.scale);
  return scale === undefined ? undefined : multiplyDecimals(decimal, scale);
}

function inRange(field: TelemetryField, decimal: Decimal): boolean {
  return !isBeyond(decimal, field.min, -1) && !isBeyond(decimal, field.max, 1);
}

/** `side` -1: below the bound, 1: above it. */
function isBeyond(decimal: Decimal, bound: number | undefined, side: -1 | 1): boolean {
  if (bound === undefined) return false;
  const exact = parseDecimal(String(bound));
  // A bound of more than 64 digits (1e99) is met in the machine's own numbers.
  if (exact === undefined) return (Number(formatDecimal(decimal)) - bound) * side > 0;
  return compareDecimals(decimal, exact) === side;
}
