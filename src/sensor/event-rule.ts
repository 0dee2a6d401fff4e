/**
 * When a record that an event route takes becomes an event: each one, the first in each part of the day, when a field has
 * changed, or when it has come to rest. And what is flagged: a register that fell, or rose further than it can. Pure: what
 * is remembered of the last event goes in, what would be remembered if this one is accepted comes out.
 */
import type { EventField } from '../ports.ts';
import type { EventRoute } from './config.ts';
import { compareDecimals, type Decimal, parseDecimal, subtractDecimals } from './decimal.ts';

/** Of the last accepted event of a route: its part of the day, and the values that rules and registers look at. */
export interface EventMemory {
  readonly slot?: number | undefined;
  readonly values: Readonly<Record<string, string>>;
}

/** Of the readings since, for `stable`; gone at a restart. */
export interface RestState {
  /** The value that the run began with, and its length so far. */
  readonly from: string | undefined;
  readonly frames: number;
  /** It has left the value of the last event. */
  readonly hasMoved: boolean;
}

export const AT_REST: RestState = { from: undefined, frames: 0, hasMoved: false };

export interface RuleVerdict {
  /** Undefined: no event this time. */
  readonly data: Readonly<Record<string, EventField>> | undefined;
  /** Fields that were flagged. */
  readonly flagged: number;
  /** What is remembered once the event is accepted. */
  readonly memory: EventMemory;
  readonly rest: RestState;
}

export type EventData = Readonly<Record<string, EventField>>;

export function judgeEvent(
  route: EventRoute,
  memory: EventMemory | undefined,
  rest: RestState,
  data: EventData,
  wallMs: number,
): RuleVerdict {
  const nextRest = route.stable === undefined ? rest : nextRestState(route.stable, memory, rest, data);
  if (!becomesEvent(route, memory, nextRest, data, wallMs)) {
    return { data: undefined, flagged: 0, memory: memory ?? { values: {} }, rest: nextRest };
  }
  const suspects = Object.keys(route.fields).filter((name) => isFlagged(route, name, memory, data));
  const marked = suspects.flatMap((name) => {
    const field = data[name];
    return field === undefined ? [] : [[name, { ...field, quality: 'suspect' as const }] as const];
  });
  return {
    data: suspects.length === 0 ? data : { ...data, ...Object.fromEntries(marked) },
    flagged: suspects.length,
    memory: memoryOf(route, data, wallMs),
    rest: route.stable === undefined ? nextRest : { ...nextRest, hasMoved: false },
  };
}

function becomesEvent(
  route: EventRoute,
  memory: EventMemory | undefined,
  rest: RestState,
  data: EventData,
  wallMs: number,
): boolean {
  if (route.every !== undefined) return isNewSlot(memory?.slot, Math.floor(wallMs / route.every));
  if (route.onChange !== undefined) {
    const { field, by } = route.onChange;
    return isFarFrom(memory?.values[field], textOf(data[field]), by);
  }
  if (route.stable === undefined) return true;
  const isFirst = memory?.values[route.stable.field] === undefined;
  return rest.frames >= route.stable.frames && (rest.hasMoved || isFirst);
}

/**
 * A clock that is set back by a little crosses the border once more: that is no new part of the day. Set back by more, it
 * is: to wait until it has caught up could take years.
 */
function isNewSlot(last: number | undefined, slot: number): boolean {
  return last === undefined || slot > last || slot < last - 1;
}

function nextRestState(
  rule: NonNullable<EventRoute['stable']>,
  memory: EventMemory | undefined,
  rest: RestState,
  data: EventData,
): RestState {
  const value = textOf(data[rule.field]);
  const last = memory?.values[rule.field];
  const hasMoved = rest.hasMoved || (last !== undefined && !isNear(last, value, rule.within));
  if (value === undefined) return { from: undefined, frames: 0, hasMoved };
  const goesOn = rest.from !== undefined && isNear(rest.from, value, rule.within);
  return goesOn ? { from: rest.from, frames: rest.frames + 1, hasMoved } : { from: value, frames: 1, hasMoved };
}

function isFlagged(route: EventRoute, name: string, memory: EventMemory | undefined, data: EventData): boolean {
  const field = route.fields[name];
  if (field?.monotonic !== true) return false;
  return isRegisterFault(memory?.values[name], textOf(data[name]), field.stepMax);
}

/** A register that fell, or rose by more than `stepMax` (decimal text). Without a value before, nothing can be said. */
export function isRegisterFault(
  before: string | undefined,
  now: string | undefined,
  stepMax: string | undefined,
): boolean {
  const rise = differenceOf(before, now);
  if (rise === undefined) return false;
  if (rise.digits < 0n) return true;
  const most = stepMax === undefined ? undefined : parseDecimal(stepMax);
  return most !== undefined && compareDecimals(rise, most) > 0;
}

function isFarFrom(before: string | undefined, now: string | undefined, by: string): boolean {
  if (before === now) return false;
  const distance = distanceOf(before, now);
  const least = parseDecimal(by);
  if (distance === undefined || least === undefined) return true;
  return distance.digits !== 0n && compareDecimals(distance, least) >= 0;
}

function isNear(before: string, now: string | undefined, within: string): boolean {
  if (before === now) return true;
  const distance = distanceOf(before, now);
  const most = parseDecimal(within);
  return distance !== undefined && most !== undefined && compareDecimals(distance, most) <= 0;
}

function distanceOf(before: string | undefined, now: string | undefined): Decimal | undefined {
  const difference = differenceOf(before, now);
  if (difference === undefined) return undefined;
  return difference.digits < 0n ? { ...difference, digits: -difference.digits } : difference;
}

/** Undefined where one of them is missing or no number. */
function differenceOf(before: string | undefined, now: string | undefined): Decimal | undefined {
  const [left, right] = [before, now].map((text) => (text === undefined ? undefined : parseDecimal(text)));
  return left === undefined || right === undefined ? undefined : subtractDecimals(right, left);
}

/** What an accepted event leaves behind. */
export function memoryOf(route: EventRoute, data: EventData, wallMs: number): EventMemory {
  const looked = [route.onChange?.field, route.stable?.field];
  const names = Object.keys(route.fields).filter(
    (name) => looked.includes(name) || route.fields[name]?.monotonic === true,
  );
  const values = names.flatMap((name) => {
    const text = textOf(data[name]);
    return text === undefined ? [] : [[name, text] as const];
  });
  return {
    ...(route.every === undefined ? {} : { slot: Math.floor(wallMs / route.every) }),
    values: Object.fromEntries(values),
  };
}

function textOf(field: EventField | undefined): string | undefined {
  return field === undefined ? undefined : String(field.value);
}
