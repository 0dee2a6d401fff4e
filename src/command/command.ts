/** What a command is: a name, what its arguments must be, and what it does. One file a handler. */
import type * as v from 'valibot';

export type Document = Readonly<Record<string, unknown>>;

/** What a run is told of its request, and what it can do beside its result. */
export interface RunContext {
  readonly id: string;
  /** Who asked, as the request says; nobody has checked it unless the request was signed. */
  readonly by: string | undefined;
  /**
   * Tells who asked how far it is: a response `executing` with these members beside. Resolves when it is acknowledged or
   * could not be sent.
   */
  readonly progress: (members: Document) => Promise<void>;
  /** Runs once the final answer has left, or could not be sent: for what would cut it off. */
  readonly afterAnswer: (run: () => void) => void;
}

export interface CommandSpec<Schema extends v.GenericSchema> {
  readonly name: string;
  /** A changing command is off unless the configuration turns it on. */
  readonly changes: boolean;
  /** What it does can not be taken back, or cuts the device off: a signed request for it counts in one session only. */
  readonly dangerous?: true;
  /** One sentence for people. */
  readonly summary: string;
  readonly args: Schema;
  /** Of the answer `succeeded`: every member it may have, described. */
  readonly result: v.GenericSchema;
  /** Codes of its own in `error`, each with what it means. Every command may also answer what the desk says. */
  readonly errors?: Readonly<Record<string, string>>;
  /** The result goes out as `result`. What it throws is the error of a `failed` response; a `CommandFailure` says more. */
  readonly run: (args: v.InferOutput<Schema>, context: RunContext) => unknown;
  /**
   * Of a run that the end of the process cut off, asked at the next start: settles as `run` would have, from what the command
   * itself keeps on disk. Undefined, or left out: nobody knows, and the command is in doubt.
   */
  readonly resume?: (context: RunContext) => Promise<unknown> | undefined;
}

export interface Command extends Omit<CommandSpec<v.GenericSchema>, 'run'> {
  /** `args`: what the schema made of them. */
  readonly run: (args: unknown, context: RunContext) => unknown;
}

export function defineCommand<const Schema extends v.GenericSchema>(spec: CommandSpec<Schema>): Command {
  return { ...spec, run: (args, context) => spec.run(args, context) };
}

/** Why a command did not do what was asked, with a code of its own. `rejected`: nothing was begun. */
export class CommandFailure extends Error {
  readonly code: string;
  readonly status: 'failed' | 'rejected';

  constructor(code: string, message: string, status: 'failed' | 'rejected' = 'failed') {
    super(message);
    this.name = 'CommandFailure';
    this.code = code;
    this.status = status;
  }
}
