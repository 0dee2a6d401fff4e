/** The device's own schedule: commands that it gives itself by the clock, answered like any other. */
import { reasonOf } from '../fault.ts';
import type { Clock, Cron, CronTimer, Log } from '../ports.ts';
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
  readonly desk: Pick<CommandDesk, 'runScheduled'>;
}

/** As `schedule.list` answers it. Times are ISO 8601. */
export interface ScheduleRow extends ScheduleEntry {
  readonly index: number;
  /** Null: never, or that can not be told. */
  readonly next: string | null;
  /** `status`: of the newest answer; null before the first. Left out when it has not run since the start. */
  readonly last?: { readonly at: string; readonly id: string; readonly status: string | null };
  /** Why the entry never runs by the clock. */
  readonly why?: string;
}

interface Slot {
  readonly entry: ScheduleEntry;
  task: CronTimer | undefined;
  why: string | undefined;
  last: { readonly atMs: number; readonly id: string; status: string | undefined } | undefined;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #slots: readonly Slot[];
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#slots = options.entries.map((entry) => ({ entry, task: undefined, why: undefined, last: undefined }));
  }

  /** An entry that can not be scheduled is told and left out; the others run. */
  async start(): Promise<void> {
    const { cron, log } = this.#options;
    for (const [index, slot] of this.#slots.entries()) {
      const { entry } = slot;
      try {
        const task = await cron.schedule(entry.cron, entry.timezone, () => void this.#run(index, slot));
        if (this.#stopped) task.cancel();
        else slot.task = task;
      } catch (error) {
        slot.why = reasonOf(error);
        log.error('schedule: entry left out', { index, cron: entry.cron, reason: slot.why });
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const slot of this.#slots) {
      slot.task?.cancel();
      slot.task = undefined;
    }
  }

  list(): readonly ScheduleRow[] {
    return this.#slots.map(({ entry, task, why, last }, index) => ({
      index,
      ...entry,
      next: timeText(task?.nextMs?.()),
      ...(last === undefined
        ? {}
        : { last: { at: new Date(last.atMs).toISOString(), id: last.id, status: last.status ?? null } }),
      ...(why === undefined ? {} : { why }),
    }));
  }

  /** Throws when there is no such entry, or when it would run entries itself: two of those would run each other for ever. */
  runNow(index: number): Readonly<Record<string, unknown>> {
    const slot = this.#slots[index];
    if (slot === undefined) throw new Error(`there is no entry ${index}; the schedule has ${this.#slots.length}`);
    const { command } = slot.entry;
    if (command === 'schedule.run') throw new Error(`entry ${index} runs entries itself: only the clock runs it`);
    return { index, command, id: this.#run(index, slot) };
  }

  /** An answer has gone out, or was about to: of one of ours, what became of it. */
  answered(id: string, status: string): void {
    for (const { last } of this.#slots) {
      if (last?.id === id) last.status = status;
    }
  }

  #run(index: number, slot: Slot): string {
    const { clock, desk, log } = this.#options;
    const { command, args = {} } = slot.entry;
    const atMs = clock.wallMs();
    const id = `schedule.${index}.${atMs}`;
    slot.last = { atMs, id, status: undefined };
    desk.runScheduled(command, args, id).catch((error: unknown) => {
      log.debug('scheduled command: response not sent', { command, id, reason: reasonOf(error) });
    });
    return id;
  }
}

function timeText(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : new Date(wallMs).toISOString();
}
