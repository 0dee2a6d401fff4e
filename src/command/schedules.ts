/** `schedule.list`: what the device gives itself to do, when next, and what became of it last. `schedule.run`: one entry now. */
import * as v from 'valibot';
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
      run: () => ({ schedule: schedule().list() }),
    }),
    defineCommand({
      name: 'schedule.run',
      changes: true,
      summary: 'Runs an entry of the schedule now; it answers under an id of its own, as by the clock.',
      args: v.strictObject({ index: wholeNumber(9999) }),
      run: ({ index }) => schedule().runNow(index),
    }),
  ];
}
