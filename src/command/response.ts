/** The answer to a command, as it goes out (DESIGN 4). Pure. */
import { Fault, reasonOf } from '../fault.ts';
import { CommandFailure, type Document } from './command.ts';
import type { DeskErrorCode } from './desk-errors.ts';
import type { CommandError } from './request.ts';

export const COMMAND_STATUSES = [
  'accepted',
  'executing',
  'succeeded',
  'failed',
  'rejected',
  'expired',
  'in_doubt',
] as const;
type CommandStatus = (typeof COMMAND_STATUSES)[number];

export interface Outcome {
  readonly status: CommandStatus;
  readonly result?: unknown;
  readonly error?: CommandError;
}

/** `members`: what a command says of its progress, beside what every response has. */
export function encodeResponse(
  command: string,
  id: string,
  outcome: Outcome,
  repeated: boolean,
  members: Document = {},
): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, id, command, ...members, ...outcome, repeated }), 'utf8');
}

/** Of a run that threw. */
export function outcomeOf(thrown: unknown): Outcome {
  const status = thrown instanceof CommandFailure ? thrown.status : 'failed';
  const unnamed: DeskErrorCode = 'command.failed';
  const code = thrown instanceof CommandFailure || thrown instanceof Fault ? thrown.code : unnamed;
  return { status, error: { code, message: reasonOf(thrown) } };
}

export function rejected(code: DeskErrorCode, message: string): Outcome {
  return { status: 'rejected', error: { code, message } };
}
