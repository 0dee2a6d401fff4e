/** What a command is: a name, what its arguments must be, and what it does. One file a handler. */
import type * as v from 'valibot';

export interface CommandSpec<Schema extends v.GenericSchema> {
  readonly name: string;
  /** A changing command is off unless the configuration turns it on. */
  readonly changes: boolean;
  /** One sentence for people. */
  readonly summary: string;
  readonly args: Schema;
  /** The result goes out as `result`. What it throws is the error of a `failed` response. */
  readonly run: (args: v.InferOutput<Schema>) => unknown;
}

export interface Command extends Omit<CommandSpec<v.GenericSchema>, 'run'> {
  /** `args`: what the schema made of them. */
  readonly run: (args: unknown) => unknown;
}

export function defineCommand<const Schema extends v.GenericSchema>(spec: CommandSpec<Schema>): Command {
  return { ...spec, run: (args) => spec.run(args) };
}
