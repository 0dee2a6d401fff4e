/** Schedules, by node-cron, which is loaded when the first one is made: most devices have none. */
import type { Cron, CronTimer } from '../ports.ts';

const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing };

export const systemCron: Cron = {
  schedule: async (expression, timezone, run): Promise<CronTimer> => {
    const { schedule } = await import('node-cron');
    const task = schedule(expression, run, {
      unref: true,
      suppressMissedWarning: true,
      logger: SILENT,
      ...(timezone === undefined ? {} : { timezone }),
    });
    return { cancel: () => void task.destroy(), nextMs: () => task.getNextRun()?.getTime() };
  },
};

function nothing(): void {}
