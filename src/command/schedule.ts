/**
 * The device's own schedule: commands that it gives itself by the clock, answered like any other. An entry may be put off by
 * chance, so that a fleet does not ask all at once, and may make up for times at which the agent was off or over which the
 * clock was set: once, however many there were, and never twice for one, since it is on disk before it runs.
 */
import { reasonOf } from '../fault.ts';
import type { Chance, Clock, Cron, CronTimer, Log, StateStore, Timer } from '../ports.ts';
import { CommandFailure } from './command.ts';
import type { CommandDesk } from './desk.ts';
import { type Awaited, lookMissed } from './missed.ts';
import { ScheduleMemory } from './schedule-memory.ts';
import { ScheduleRest } from './schedule-rest.ts';

/** After the start, so that a made-up command finds a link to answer on. */
const FIRST_LOOK_MS = 10_000;
const LOOK_MS = 60_000;

export interface ScheduleEntry {
  readonly cron: string;
  readonly timezone?: string;
  readonly command: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** Whether times are made up for that were missed. Default: `off`. */
  readonly missed?: 'off' | 'once';
  /** Puts each run off by chance, by less than so many milliseconds. */
  readonly jitter?: number;
}

export interface ScheduleOptions {
  readonly entries: readonly ScheduleEntry[];
  readonly cron: Cron;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly state: StateStore;
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
  /** A run that was put off. */
  putOff: Timer | undefined;
  last: { readonly atMs: number; readonly id: string; status: string | undefined } | undefined;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #slots: readonly Slot[];
  readonly #memory: ScheduleMemory;
  #look: Timer | undefined;
  readonly #rest = new ScheduleRest();
  readonly #told = new Set<number>();
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#slots = options.entries.map((entry) => ({
      entry,
      task: undefined,
      why: undefined,
      putOff: undefined,
      last: undefined,
    }));
    this.#memory = new ScheduleMemory(
      options.state,
      options.entries.filter(({ missed }) => missed === 'once'),
    );
  }

  /** An entry that can not be scheduled is told and left out; the others run. */
  async start(): Promise<void> {
    const { cron, clock, log } = this.#options;
    this.#rest.start(clock.monotonicMs());
    await this.#memory.open();
    for (const [index, slot] of this.#slots.entries()) {
      const { entry } = slot;
      try {
        const task = await cron.schedule(entry.cron, entry.timezone, () => this.#due(index, slot));
        if (this.#stopped) task.cancel();
        else slot.task = task;
      } catch (error) {
        slot.why = reasonOf(error);
        log.error('schedule: entry left out', { index, cron: entry.cron, reason: slot.why });
      }
    }
    this.#lookAfter(FIRST_LOOK_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#look?.cancel();
    for (const slot of this.#slots) {
      slot.task?.cancel();
      slot.task = undefined;
      slot.putOff?.cancel();
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

  /**
   * Throws a `CommandFailure` when there is no such entry, when it is one that the clock does not run yet either (an entry may run this one), or when
   * it would run entries itself: two of those would run each other for ever.
   */
  runNow(index: number): Readonly<Record<string, unknown>> {
    const slot = this.#slots[index];
    if (slot === undefined) {
      throw new CommandFailure(
        'schedule.unknown',
        `there is no entry ${index}; the schedule has ${this.#slots.length}`,
      );
    }
    const { command } = slot.entry;
    if (command === 'schedule.run') {
      throw new CommandFailure('schedule.held-back', `entry ${index} runs entries itself: only the clock runs it`);
    }
    const refusal = this.#refusalOf(slot);
    if (refusal !== undefined) throw new CommandFailure('schedule.held-back', `entry ${index}: ${refusal}`);
    return { index, command, id: this.#run(index, slot) };
  }

  /** An answer has gone out, or was about to: of one of ours, what became of it. */
  answered(id: string, status: string): void {
    for (const { last } of this.#slots) {
      if (last?.id === id) last.status = status;
    }
  }

  /** By the clock, or made up for. One that is still put off has its run before it. */
  #due(index: number, slot: Slot, isMissed = false): void {
    const { clock, chance } = this.#options;
    if (slot.putOff !== undefined) return;
    const { jitter } = slot.entry;
    if (jitter === undefined) return this.#begin(index, slot, isMissed);
    slot.putOff = clock.after(chance.unit() * jitter, () => {
      slot.putOff = undefined;
      this.#begin(index, slot, isMissed);
    });
  }

  /** What is made up for is on disk first: a command that ends the process would else be made up for again and again. */
  #begin(index: number, slot: Slot, isMissed: boolean): void {
    const { clock, log } = this.#options;
    const refusal = this.#refusalOf(slot);
    if (refusal !== undefined) return this.#refuse(index, refusal);
    if (slot.entry.missed !== 'once') return void this.#run(index, slot);
    this.#memory.set(slot.entry, { dueMs: slot.task?.nextMs?.(), ranMs: clock.wallMs() }).then(
      () => void (this.#stopped || this.#run(index, slot)),
      (error: unknown) => {
        log.error('schedule: what has run can not be kept', { index, reason: reasonOf(error) });
        if (!isMissed && !this.#stopped) this.#run(index, slot);
      },
    );
  }

  #refusalOf({ entry }: Slot): string | undefined {
    return this.#rest.refusal(entry.command, this.#options.clock.monotonicMs());
  }

  #refuse(index: number, reason: string): void {
    if (!this.#told.has(index)) this.#options.log.warn('schedule: entry not run', { index, reason });
    this.#told.add(index);
  }

  #lookAfter(ms: number): void {
    if (this.#stopped || this.#slots.every(({ entry }) => entry.missed !== 'once')) return;
    this.#look = this.#options.clock.after(ms, () => {
      for (const [index, slot] of this.#slots.entries()) this.#lookMissed(index, slot);
      this.#lookAfter(LOOK_MS);
    });
  }

  /** A clock that was never set says nothing of what was missed. */
  #lookMissed(index: number, slot: Slot): void {
    const { clock, log } = this.#options;
    const { entry, task, putOff } = slot;
    if (this.#refusalOf(slot) !== undefined) return;
    if (entry.missed !== 'once' || task === undefined || putOff !== undefined || clock.quality() === 'unknown') return;
    const before = this.#memory.of(entry);
    const { missed, awaited } = lookMissed(before, clock.wallMs(), task.nextMs?.());
    if (!missed) return isSame(before, awaited) ? undefined : this.#keep(index, entry, awaited);
    log.info('schedule: a time was missed and is made up for', { index, command: entry.command });
    this.#due(index, slot, true);
  }

  #keep(index: number, entry: ScheduleEntry, awaited: Awaited): void {
    this.#memory.set(entry, awaited).catch((error: unknown) => {
      this.#options.log.error('schedule: what it waits for can not be kept', { index, reason: reasonOf(error) });
    });
  }

  #run(index: number, slot: Slot): string {
    const { clock, desk, log } = this.#options;
    const { command, args = {} } = slot.entry;
    const atMs = clock.wallMs();
    const id = `schedule.${index}.${atMs}`;
    slot.last = { atMs, id, status: undefined };
    this.#rest.ran(command, clock.monotonicMs());
    desk.runScheduled(command, args, id).catch((error: unknown) => {
      log.debug('scheduled command: response not sent', { command, id, reason: reasonOf(error) });
    });
    return id;
  }
}

function isSame(one: Awaited, other: Awaited): boolean {
  return one.dueMs === other.dueMs && one.ranMs === other.ranMs;
}

function timeText(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : new Date(wallMs).toISOString();
}
