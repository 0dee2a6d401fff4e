/** What results of commands are made of: schemas with a description each, from which docs/COMMANDS.md is made. */
import * as v from 'valibot';

export function text(description: string) {
  return v.pipe(v.string(), v.description(description));
}

export function count(description: string) {
  return v.pipe(v.number(), v.description(description));
}

/** ISO 8601, UTC. */
export function time(description: string) {
  return v.pipe(v.string(), v.isoTimestamp(), v.description(description));
}

export function listOf<const Item extends v.GenericSchema>(description: string, item: Item) {
  return v.pipe(v.array(item), v.description(description));
}

/** A document that is described elsewhere. */
export function document(description: string) {
  return v.pipe(v.looseObject({}), v.description(description));
}

export const clockQuality = v.pipe(
  v.picklist(['synced', 'set', 'unknown']),
  v.description('Quality of the clock: "synced", "set" or "unknown".'),
);
