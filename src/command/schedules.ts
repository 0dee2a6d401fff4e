/** `schedule.list`: what the device gives itself to do, when next, and what became of it last. `schedule.run`: one entry now. */
import * as v from 'valibot';
import { count, document, listOf, text } from './answers.ts';
import { wholeNumber } from './args.ts';
import { type Command, defineCommand } from './command.ts';
import type { Schedule } from './schedule.ts';

export function scheduleCommands(schedule: () => Pick<Schedule, 'list' | 'runNow'>): readonly Command[] {
  return [
    defineCommand({
      name: 'schedule.list',
      changes: false,
      summary: 'Lists the schedule: each entry with its next time, its last run and what became of it.',
      args: v.strictObject({}),
      result: v.strictObject({
        schedule: listOf(
          'In the order of device.json.',
          document(
            'The entry as in device.json, `index`, `next` (its next time; null: never, or that can not be told), `last` ' +
              '(`at`, `id`, `status`; left out when it has not run since the start), `why` it never runs by the clock.',
          ),
        ),
      }),
      run: () => ({ schedule: schedule().list() }),
    }),
    defineCommand({
      name: 'schedule.run',
      changes: true,
      summary: 'Runs an entry of the schedule now; it answers under an id of its own, as by the clock.',
      args: v.strictObject({ index: wholeNumber(9999) }),
      result: v.strictObject({
        index: count('The entry.'),
        command: text('Its command.'),
        id: text('The id under which that command answers.'),
      }),
      run: ({ index }) => schedule().runNow(index),
    }),
  ];
}
