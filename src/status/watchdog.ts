/**
 * Tells the supervisor that the agent is alive, as long as its work gets on (progress.ts): a turn of the event loop shows
 * itself by coming here, the ledger and the lines are looked at. When one is stuck nothing is told, and the supervisor ends
 * and starts the process again, which the ledger survives like any crash. During the start it also asks for more time, for
 * as long as recovery gets on.
 */
import type { Clock, Log, Supervisor, Timer, Work } from '../ports.ts';
import { lookAt, NO_PROGRESS, type StuckWork } from './progress.ts';
import { type SentenceParts, statusSentence } from './status-sentence.ts';

/** Where the supervisor does not watch, its limit on the start still counts. */
const UNWATCHED_MS = 60_000;
/** Looks within the supervisor's patience: a word that is lost does not matter. */
const LOOKS = 6;
/** A line waits 5 s at most before it tries again; no limit is below that. */
const LIMIT_MS_MIN = 8000;

export interface WatchdogOptions {
  readonly supervisor: Supervisor;
  readonly clock: Clock;
  readonly log: Log;
  readonly works: () => readonly Work[];
  readonly status: () => Omit<SentenceParts, 'stuck'>;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #everyMs: number;
  readonly #limitMs: number;
  #progress = NO_PROGRESS;
  #stuck: readonly StuckWork[] = [];
  #lookedMs = 0;
  #started = false;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    const patienceMs = options.supervisor.patienceMs ?? UNWATCHED_MS;
    this.#everyMs = patienceMs / LOOKS;
    this.#limitMs = Math.max(patienceMs / 2, LIMIT_MS_MIN);
  }

  /** The start begins. */
  start(): void {
    const { supervisor, clock } = this.#options;
    if (!supervisor.listens) return;
    supervisor.status('starts: the ledger is recovered');
    this.#lookedMs = clock.monotonicMs();
    this.#again();
  }

  /** Says the status in one sentence: something in it has changed. */
  tell(): void {
    const { supervisor, status } = this.#options;
    if (this.#isOver) return;
    if (supervisor.listens) supervisor.status(statusSentence({ ...status(), stuck: this.#stuck.map(nameOf) }));
  }

  /** The start is done. A broker that is not there is no failure of it. */
  ready(): void {
    this.#started = true;
    this.#options.supervisor.ready();
    if (this.#options.supervisor.patienceMs === undefined) this.#rest();
  }

  /** From here on it is the next agent that speaks, which may run in this process. */
  stop(): void {
    this.#isOver = true;
    this.#rest();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #again(): void {
    const { clock } = this.#options;
    // A whole turn of the loop: timers, then what came from sockets, disks and lines, then this.
    this.#timer = clock.after(this.#everyMs, () =>
      clock.soon(() => {
        if (this.#timer === undefined) return;
        this.#look();
        this.#again();
      }),
    );
  }

  #look(): void {
    const { clock, supervisor, works } = this.#options;
    const nowMs = clock.monotonicMs();
    const stepMs = Math.min(nowMs - this.#lookedMs, 2 * this.#everyMs);
    this.#lookedMs = nowMs;
    const { progress, stuck } = lookAt(this.#progress, works(), stepMs, this.#limitMs);
    this.#progress = progress;
    this.#note(stuck);
    if (stuck.length > 0) return;
    if (!this.#started) supervisor.extend(this.#limitMs + 2 * this.#everyMs);
    // Also in a start: an agent that starts anew on another configuration is watched all the while.
    supervisor.alive();
  }

  #note(stuck: readonly StuckWork[]): void {
    const { log } = this.#options;
    const before = this.#stuck.map(nameOf).join();
    this.#stuck = stuck;
    if (stuck.map(nameOf).join() === before) return;
    for (const { name, forMs } of stuck) {
      log.error('no progress: the watchdog is not fed', { work: name, for_ms: Math.round(forMs) });
    }
    if (stuck.length === 0) log.warn('there is progress again: the watchdog is fed', { work: before });
    this.tell();
  }
}

function nameOf({ name }: StuckWork): string {
  return name;
}
