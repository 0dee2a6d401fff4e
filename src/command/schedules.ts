/** `schedule.list`: what the device gives itself to do, when next, and what became of it last. `schedule.run`: one entry now. */
import * as v from 'valibot';
import { count, document, listOf, text, time } from './answers.ts';
import { wholeNumber } from './args.ts';
import { type Command, defineCommand } from './command.ts';
import type { Schedule } from './schedule.ts';

const row = v.strictObject({
  index: count('Its place in device.json, from 0.'),
  cron: text('When, as in device.json.'),
  timezone: v.exactOptional(text('Of which time zone, as in device.json.')),
  command: text('What it runs.'),
  args: v.exactOptional(document('With which arguments.')),
  missed: v.exactOptional(
    v.pipe(v.picklist(['off', 'once']), v.description('Whether times are made up for that were missed.')),
  ),
  jitter: v.exactOptional(count('Each run is put off by chance, by less than so many milliseconds.')),
  next: v.pipe(v.nullable(v.string()), v.description('Its next time; null: never, or that can not be told.')),
  last: v.exactOptional(
    v.pipe(
      v.strictObject({
        at: time('When.'),
        id: text('The id under which it answered.'),
        status: v.pipe(v.nullable(v.string()), v.description('Of its newest answer; null before the first.')),
      }),
      v.description('Its last run; left out when it has not run since the start.'),
    ),
  ),
  why: v.exactOptional(text('Why it never runs by the clock.')),
});

export function scheduleCommands(schedule: () => Pick<Schedule, 'list' | 'runNow'>): readonly Command[] {
  return [
    defineCommand({
      name: 'schedule.list',
      changes: false,
      summary: 'Lists the schedule: each entry with its next time, its last run and what became of it.',
      args: v.strictObject({}),
      result: v.strictObject({
        schedule: listOf('In the order of device.json.', row),
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
      errors: {
        'schedule.unknown': 'The schedule has no such entry.',
        'schedule.held-back':
          'The entry is not run now: it runs entries itself, or what it runs was run or the agent started less than five minutes ago.',
      },
      run: ({ index }) => schedule().runNow(index),
    }),
  ];
}
