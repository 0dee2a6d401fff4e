/** `log.level`: another level for a while. `log.tail`: the log, live, on `up/log` for a while. */
import * as v from 'valibot';
import { type Log, LOG_LEVELS, type LogControl } from '../ports.ts';
import { text, time } from './answers.ts';
import { leaseTime } from './args.ts';
import { type Command, defineCommand } from './command.ts';
import type { Lease } from './lease.ts';
import type { LogTail } from './log-tail.ts';

const HOUR_MS = 3_600_000;

export interface LogSources {
  readonly log: Log;
  readonly logControl: LogControl;
  readonly tail: LogTail;
  /** Of another level. */
  readonly lease: Lease;
  /** Where the tail goes, as the operator subscribes to it. */
  readonly topic: string;
}

export function logCommands({ log, logControl, tail, lease, topic }: LogSources): readonly Command[] {
  const configured = logControl.level;
  return [
    defineCommand({
      name: 'log.level',
      changes: true,
      summary: 'Logs at another level for a while; then the configured one holds again.',
      args: v.strictObject({ level: v.picklist(LOG_LEVELS), for: leaseTime(24 * HOUR_MS) }),
      result: v.strictObject({
        level: text('The level that holds now.'),
        until: time('When it ends.'),
        configured: text('The level that holds then.'),
      }),
      run: ({ level, for: ms }) => {
        const untilMs = lease.begin(ms, () => {
          logControl.setLevel(configured);
          log.info('log level is the configured one again', { level: configured });
        });
        log.info('log level changed by command', { level, for_ms: ms });
        logControl.setLevel(level);
        return { level, until: new Date(untilMs).toISOString(), configured };
      },
    }),
    defineCommand({
      name: 'log.tail',
      changes: false,
      summary: 'Publishes the log as it is written for a while, on a topic of its own.',
      args: v.strictObject({ level: v.optional(v.picklist(LOG_LEVELS), 'info'), for: leaseTime(HOUR_MS) }),
      result: v.strictObject({
        topic: text('Where the log is published.'),
        level: text('The least serious level that is told.'),
        until: time('When it ends. It ends with the link, too.'),
      }),
      run: ({ level, for: ms }) => {
        const untilMs = tail.begin(level, ms);
        return { topic, level, until: new Date(untilMs).toISOString() };
      },
    }),
  ];
}
