/**
 * Schedules. node-cron, which is loaded when the first one is made, says when an expression is due; the waiting is our
 * own. Its timers go through every time that a jump of the wall clock passed over, one by one: a jump of years stops the
 * process for minutes or hours, and no command is run meanwhile or after it. Here the clock is looked at anew twice a minute.
 */
import type { ScheduledTask } from 'node-cron';
import type { Cron, CronTimer } from '../ports.ts';
import { type DueState, lookDue } from './cron-due.ts';
import { nextTime } from './cron-next.ts';

/** At most so long until a clock that was set is noticed, milliseconds. */
const LOOK_MS = 30_000;
const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing };

export const systemCron: Cron = {
  schedule: async (expression, timezone, run): Promise<CronTimer> => {
    const { createTask } = await import('node-cron');
    const options = { logger: SILENT, ...(timezone === undefined ? {} : { timezone }) };
    const task = createTask(expression, nothing, options);
    const words = { fits: (ms: number) => task.match(new Date(ms)), minuteOfDay: wallOf(timezone) };
    // Throws where the expression never fits; later that only means: not now.
    task.getNextRuns(1);
    let known: { readonly fromMs: number; readonly nextMs: number } | undefined;
    const next = (ms: number): number | undefined => {
      // What was found holds until it comes, and working it out costs: once for each run, not at each look.
      if (known !== undefined && ms >= known.fromMs && ms < known.nextMs) return known.nextMs;
      try {
        const givenMs = task.getNextRuns(1)[0]?.getTime();
        known = givenMs === undefined ? undefined : { fromMs: ms, nextMs: nextTime(ms, givenMs, words) };
      } catch {
        known = undefined;
      }
      return known?.nextMs;
    };
    let after: { readonly nextMs: number; readonly gapMs: number } | undefined;
    let state: DueState = { dueMs: next(Date.now()), lastMs: undefined };
    const wait = (): NodeJS.Timeout => {
      const { dueMs = Infinity } = state;
      return setTimeout(look, Math.min(LOOK_MS, Math.max(1, dueMs - Date.now()))).unref();
    };
    const look = (): void => {
      const found = lookDue(state, Date.now(), next);
      state = found.state;
      timer = wait();
      if (found.counts) run();
    };
    let timer = wait();
    return {
      cancel: () => {
        clearTimeout(timer);
        Promise.resolve(task.destroy()).catch(nothing);
      },
      nextMs: () => next(Date.now()),
      gapMs: () => {
        const nowMs = Date.now();
        const nextMs = next(nowMs);
        if (nextMs === undefined) return undefined;
        if (after?.nextMs !== nextMs) after = { nextMs, gapMs: gapOf(task) };
        return Math.max(nextMs - nowMs, after.gapMs);
      },
    };
  },
};

/** From the next run to the one after; 0: that can not be told. */
function gapOf(task: ScheduledTask): number {
  try {
    const [one, two] = task.getNextRuns(2);
    return one === undefined || two === undefined ? 0 : two.getTime() - one.getTime();
  } catch {
    return 0;
  }
}

/** What clocks of the zone show, minutes after midnight. */
function wallOf(timeZone: string | undefined): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', minute: 'numeric', hourCycle: 'h23' });
  return (ms) => {
    const parts = format.formatToParts(ms);
    const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
    return of('hour') * 60 + of('minute');
  };
}

function nothing(): void {}
