/**
 * Schedules. node-cron, which is loaded when the first one is made, says when an expression is due; the waiting is our
 * own. Its timers go through every time that a jump of the wall clock passed over, one by one: a jump of years stops the
 * process for minutes or hours, and no command is run meanwhile or after it. Here the clock is looked at anew twice a minute.
 */
import type { Cron, CronTimer } from '../ports.ts';
import { type DueState, lookDue } from './cron-due.ts';

/** At most so long until a clock that was set is noticed, milliseconds. */
const LOOK_MS = 30_000;
const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing };

export const systemCron: Cron = {
  schedule: async (expression, timezone, run): Promise<CronTimer> => {
    const { createTask } = await import('node-cron');
    const options = { logger: SILENT, ...(timezone === undefined ? {} : { timezone }) };
    const task = createTask(expression, nothing, options);
    // Throws where the expression never fits; later that only means: not now.
    let state: DueState = { dueMs: task.getNextRuns(1)[0]?.getTime(), lastMs: undefined };
    const next = (): number | undefined => {
      try {
        return task.getNextRuns(1)[0]?.getTime();
      } catch {
        return undefined;
      }
    };
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
      nextMs: next,
    };
  },
};

function nothing(): void {}
