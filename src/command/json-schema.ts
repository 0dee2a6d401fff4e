/** What a command takes, as JSON Schema: in `up/info`, for whoever builds a form from it, and for docs/COMMANDS.md. */
import { toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import type { Command } from './command.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Draft 7. A rule that JSON Schema has no words for stands in the description alone. */
export function jsonSchemaOf(schema: v.GenericSchema): JsonSchema {
  const { $schema: _, ...made } = toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore' });
  return made;
}

/** By name. */
export function requestSchemas(commands: readonly Command[]): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(commands.map(({ name, args }) => [name, jsonSchemaOf(args)]));
}
