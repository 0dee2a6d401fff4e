/** `status.get`: the status as it is now, without waiting for the next heartbeat. */
import * as v from 'valibot';
import { document } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

export function statusGetCommand(status: () => Readonly<Record<string, unknown>>): Command {
  return defineCommand({
    name: 'status.get',
    changes: false,
    summary: 'Answers with the status as it is now.',
    args: v.strictObject({}),
    result: document('The status, as on `up/status`.'),
    run: () => status(),
  });
}
