/** The device's own schedule: commands that it gives itself by the clock, answered like any other. */
import { reasonOf } from '../fault.ts';
import type { Clock, Cron, Log, Timer } from '../ports.ts';
import type { CommandDesk } from './desk.ts';

export interface ScheduleEntry {
  readonly cron: string;
  readonly timezone?: string;
  readonly command: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface ScheduleOptions {
  readonly entries: readonly ScheduleEntry[];
  readonly cron: Cron;
  readonly clock: Clock;
  readonly log: Log;
  readonly desk: CommandDesk;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #tasks: Timer[] = [];
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** An entry that can not be scheduled is told and left out; the others run. */
  async start(): Promise<void> {
    const { entries, cron, log } = this.#options;
    for (const [index, entry] of entries.entries()) {
      try {
        const task = await cron.schedule(entry.cron, entry.timezone, () => this.#run(index, entry));
        if (this.#stopped) task.cancel();
        else this.#tasks.push(task);
      } catch (error) {
        log.error('schedule: entry left out', { index, cron: entry.cron, reason: reasonOf(error) });
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const task of this.#tasks.splice(0)) task.cancel();
  }

  #run(index: number, { command, args = {} }: ScheduleEntry): void {
    const { clock, desk, log } = this.#options;
    const id = `schedule.${index}.${clock.wallMs()}`;
    desk.runScheduled(command, args, id).catch((error: unknown) => {
      log.debug('scheduled command: response not sent', { command, id, reason: reasonOf(error) });
    });
  }
}
