/**
 * Asks a device for readings, on a steady beat or by the clock. A request that has no answer in its time is repeated, and
 * then told. While one is under way no other is sent: a slow device is asked less often, never twice at a time.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Cron, CronTimer, Timer } from '../ports.ts';
import type { PollTime } from './config.ts';

export interface PollerOptions {
  readonly time: PollTime;
  /** Milliseconds for an answer, from when the request has been written. */
  readonly timeout: number;
  readonly retries: number;
  readonly clock: Clock;
  readonly cron: Cron;
  /** Writes the request. Rejects when it could not. */
  readonly ask: () => Promise<void>;
  /** No answer, or not asked: why. `last`: and no repetition follows. */
  readonly onFailure: (why: string, last: boolean) => void;
}

export class Poller {
  readonly #options: PollerOptions;
  #beat: Timer | undefined;
  #cron: CronTimer | undefined;
  #answer: Timer | undefined;
  #asking = false;
  #early = false;
  #tries = 0;
  #held = false;
  /** A time came while it was held. */
  #owed = false;
  #idle: (() => void)[] = [];
  #started = 0;
  requests = 0;
  repeated = 0;
  skipped = 0;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  /** From one request to the next, milliseconds; undefined: not known yet. */
  get beatMs(): number | undefined {
    return this.#options.time.every ?? this.#cron?.gapMs?.();
  }

  /** Asks at once, and then in its time. */
  start(): void {
    const { time, clock, cron } = this.#options;
    this.#started += 1;
    const run = this.#started;
    this.#begin();
    if (time.every !== undefined) return this.#wait(clock.monotonicMs() + time.every, time.every, run);
    cron
      .schedule(time.cron ?? '', time.timezone, () => this.#begin())
      .then(
        (timer) => {
          if (this.#started === run) this.#cron = timer;
          else timer.cancel();
        },
        (error: unknown) => this.#options.onFailure(reasonOf(error), true),
      );
  }

  stop(): void {
    this.#started += 1;
    for (const timer of [this.#beat, this.#cron, this.#answer]) timer?.cancel();
    this.#beat = undefined;
    this.#cron = undefined;
    this.#answer = undefined;
    this.#asking = false;
    this.#owed = false;
    this.#settled();
  }

  /** Resolves when no request is under way; from now on none is begun until `release`. */
  hold(): Promise<void> {
    this.#held = true;
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#settled();
    });
  }

  /** A time that came meanwhile is asked for now. */
  release(): void {
    this.#held = false;
    this.#idle = [];
    if (!this.#owed) return;
    this.#owed = false;
    this.#begin();
  }

  /** A good frame has come: that is the answer, also to a request of which the system has not yet said that it left. */
  answered(): void {
    this.#early = this.#asking;
    this.#answer?.cancel();
    this.#answer = undefined;
    this.#settled();
  }

  #settled(): void {
    if (this.#asking || this.#answer !== undefined) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #wait(dueMs: number, everyMs: number, run: number): void {
    const { clock } = this.#options;
    this.#beat = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => {
      if (this.#started !== run) return;
      this.#begin();
      const lateMs = Math.max(0, clock.monotonicMs() - dueMs);
      this.#wait(dueMs + (Math.floor(lateMs / everyMs) + 1) * everyMs, everyMs, run);
    });
  }

  #begin(): void {
    if (this.#asking || this.#answer !== undefined) {
      this.skipped += 1;
      return;
    }
    if (this.#held) {
      this.#owed = true;
      return;
    }
    this.#tries = 0;
    this.#ask();
  }

  #ask(): void {
    const run = this.#started;
    this.#asking = true;
    this.#early = false;
    this.#tries += 1;
    this.requests += 1;
    const over = (then: () => void) => (): void => {
      if (this.#started !== run) return;
      this.#asking = false;
      then();
    };
    this.#options.ask().then(
      over(() => {
        const { timeout, clock } = this.#options;
        if (this.#early) return this.#settled();
        this.#answer = clock.after(timeout, () => {
          this.#answer = undefined;
          this.#failed(`no answer within ${timeout} ms`);
        });
      }),
      (error: unknown) => over(() => this.#failed(reasonOf(error)))(),
    );
  }

  #failed(why: string): void {
    const last = this.#tries > this.#options.retries;
    this.#options.onFailure(why, last);
    if (last) return this.#settled();
    this.repeated += 1;
    this.#ask();
  }
}
