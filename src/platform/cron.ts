/** Schedules, by node-cron, which is loaded when the first one is made: most devices have none. */
import type { Cron, Timer } from '../ports.ts';

const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing };

export const systemCron: Cron = {
  schedule: async (expression, timezone, run): Promise<Timer> => {
    const { schedule } = await import('node-cron');
    const task = schedule(expression, run, {
      unref: true,
      suppressMissedWarning: true,
      logger: SILENT,
      ...(timezone === undefined ? {} : { timezone }),
    });
    return { cancel: () => void task.destroy() };
  },
};

function nothing(): void {}
