/** The answer to a command, as it goes out (DESIGN 4). Pure. */
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

export function encodeResponse(command: string, id: string, outcome: Outcome, repeated: boolean): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, id, command, ...outcome, repeated }), 'utf8');
}

export function rejected(code: string, message: string): Outcome {
  return { status: 'rejected', error: { code, message } };
}
