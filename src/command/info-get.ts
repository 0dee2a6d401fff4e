/** `info.get`: the birth as it would be published now, for whoever may not read retained messages. */
import * as v from 'valibot';
import { document } from './answers.ts';
import { type Command, defineCommand } from './command.ts';

export function infoGetCommand(info: () => Readonly<Record<string, unknown>>): Command {
  return defineCommand({
    name: 'info.get',
    changes: false,
    summary: 'Answers with the birth: who this device is, what it measures, what it can be asked.',
    args: v.strictObject({}),
    result: document('The information, as on `up/info`.'),
    run: () => ({ v: 1, ...info() }),
  });
}
