/**
 * Asks one Modbus server for what its polls name, each at its times, one after the other, and decodes the answers. A poll
 * that is still waiting or running when its time comes again skips that time. A unit that does not answer is asked once,
 * without retries, and after three such reads it rests, for 5 s up to 60 s, so that one dead unit costs the others on the
 * bus a time-out now and then; one answer ends that. Polls by the clock never rest: they are rare, and their time is wanted.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Cron, CronTimer, Log, Timer } from '../ports.ts';
import type { ModbusBus, ModbusOutcome, ModbusSeat, SeatCounters } from '../serial/modbus-bus.ts';
import type { ModbusConfig, ModbusPoll } from './config.ts';
import { modbusRecord } from './decode-modbus.ts';
import type { DecodedRecord } from './record.ts';

export interface PollerCounters extends SeatCounters {
  /** Times of polls at which nothing was asked: still busy with the last one, resting, or no line. */
  readonly pollsSkipped: number;
}

export interface ModbusPollerOptions {
  readonly sensor: string;
  readonly config: ModbusConfig;
  readonly bus: Pick<ModbusBus, 'join'>;
  readonly clock: Clock;
  readonly cron: Cron;
  readonly log: Log;
  readonly onUp: () => void;
  readonly onDown: (why: string) => void;
  /** One poll's values. `raw` is the whole answer. */
  readonly onRecord: (record: DecodedRecord, raw: Buffer) => void;
  /** A read, with its retries, that brought nothing. `reason` is one of few fixed texts. */
  readonly onBad: (reason: string) => void;
}

/** Reads in a row without a sound answer, after which a unit rests, and for how long, milliseconds. */
const SILENT_READS_MAX = 3;
const REST_MS = [5000, 10_000, 20_000, 40_000, 60_000];

interface Beat {
  readonly poll: ModbusPoll;
  /** It waits for its turn, or its answer. */
  isDue: boolean;
  /** It came while the line was down, and by the clock it would not come again for a day. */
  isMissed: boolean;
  /** On the monotonic clock; of polls by `every`. */
  nextMs: number;
  timer: Timer | undefined;
}

export class ModbusPoller {
  readonly #options: ModbusPollerOptions;
  readonly #seat: ModbusSeat;
  readonly #beats: readonly Beat[];
  readonly #schedules: CronTimer[] = [];
  readonly #due: Beat[] = [];
  #state: 'stopped' | 'down' | 'up' = 'stopped';
  #asking = false;
  #silentReads = 0;
  #restUntilMs = 0;
  #skipped = 0;

  constructor(options: ModbusPollerOptions) {
    this.#options = options;
    this.#seat = options.bus.join({ up: () => this.#up(), down: (why) => this.#down(why) });
    this.#beats = options.config.polls.map((poll) => ({
      poll,
      isDue: false,
      isMissed: false,
      nextMs: 0,
      timer: undefined,
    }));
  }

  get counters(): PollerCounters {
    return { ...this.#seat.counters, pollsSkipped: this.#skipped };
  }

  /** From one request to the next, milliseconds, of the most frequent poll; undefined: of none it is known. */
  get beatMs(): number | undefined {
    const beats = this.#beats.flatMap(({ poll }) => poll.every ?? []);
    const gaps = this.#schedules.flatMap((schedule) => schedule.gapMs?.() ?? []);
    const all = [...beats, ...gaps];
    return all.length === 0 ? undefined : Math.min(...all);
  }

  start(): void {
    this.#state = 'down';
    for (const beat of this.#beats) {
      const { cron, timezone } = beat.poll;
      if (cron !== undefined) this.#schedule(cron, timezone, beat);
    }
    this.#seat.start();
  }

  /** Nothing is reported any more. Resolves when the bus has let go. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#stopBeats();
    for (const schedule of this.#schedules.splice(0)) schedule.cancel();
    await this.#seat.stop();
  }

  #schedule(cron: string, timezone: string | undefined, beat: Beat): void {
    const { sensor, log } = this.#options;
    this.#options.cron
      .schedule(cron, timezone, () => this.#fallDue(beat))
      .then((timer) => {
        if (this.#state === 'stopped') timer.cancel();
        else this.#schedules.push(timer);
      })
      .catch((error: unknown) => log.error('poll has no schedule', { sensor, cron, reason: reasonOf(error) }));
  }

  #up(): void {
    this.#state = 'up';
    this.#silentReads = 0;
    this.#restUntilMs = 0;
    this.#options.onUp();
    for (const beat of this.#beats) {
      if (beat.poll.every === undefined) {
        if (beat.isMissed) this.#fallDue(beat);
        continue;
      }
      beat.nextMs = this.#options.clock.monotonicMs();
      this.#beat(beat, beat.poll.every);
    }
  }

  #down(why: string): void {
    if (this.#state === 'stopped') return;
    this.#state = 'down';
    this.#stopBeats();
    this.#options.onDown(why);
  }

  #stopBeats(): void {
    for (const beat of this.#beats) beat.timer?.cancel();
    for (const beat of this.#due.splice(0)) beat.isDue = false;
  }

  /** Steady: the next time counts from this one, not from when the answer came. */
  #beat(beat: Beat, every: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    // A timer may also be a little early.
    const missed = Math.max(0, Math.floor((nowMs - beat.nextMs) / every));
    this.#skipped += missed;
    beat.nextMs += (missed + 1) * every;
    beat.timer = this.#options.clock.after(beat.nextMs - nowMs, () => this.#beat(beat, every));
    this.#fallDue(beat);
  }

  #fallDue(beat: Beat): void {
    if (this.#state !== 'up' && !beat.isMissed) {
      beat.isMissed = true;
      return;
    }
    if (this.#state !== 'up' || beat.isDue) {
      this.#skipped += 1;
      return;
    }
    beat.isMissed = false;
    beat.isDue = true;
    this.#due.push(beat);
    if (this.#asking) return;
    this.#asking = true;
    this.#askAll().catch((error: unknown) => {
      this.#options.log.error('poll failed', { sensor: this.#options.sensor, reason: reasonOf(error) });
    });
  }

  async #askAll(): Promise<void> {
    try {
      for (let beat = this.#due.shift(); beat !== undefined; beat = this.#due.shift()) {
        try {
          if (this.#rests(beat.poll)) this.#skipped += 1;
          else await this.#ask(beat.poll);
        } finally {
          beat.isDue = false;
        }
      }
    } finally {
      this.#asking = false;
    }
  }

  #rests({ every }: ModbusPoll): boolean {
    return every !== undefined && this.#options.clock.monotonicMs() < this.#restUntilMs;
  }

  async #ask(poll: ModbusPoll): Promise<void> {
    const { unit, timeout, retries, gap } = this.#options.config;
    const { fc, at, count } = poll;
    const outcome = await this.#seat.read(
      { unit, fc, at, count },
      { timeoutMs: timeout, retries, once: this.#silentReads > 0, gapMs: gap },
    );
    if (this.#state === 'up') this.#tell(poll, outcome);
  }

  #tell(poll: ModbusPoll, outcome: ModbusOutcome): void {
    const { onRecord, onBad } = this.#options;
    switch (outcome.kind) {
      case 'down':
        return;
      case 'silent':
        this.#noteSilence();
        return onBad('no answer');
      case 'garbled':
        this.#noteSilence();
        return onBad(outcome.why);
      case 'exception':
        this.#silentReads = 0;
        return onBad(`exception ${outcome.code}: ${outcome.why}`);
      case 'answer': {
        this.#silentReads = 0;
        const record = modbusRecord(poll, outcome.registers);
        return record === undefined ? onBad('the registers hold no value') : onRecord(record, outcome.frame);
      }
    }
  }

  #noteSilence(): void {
    this.#silentReads += 1;
    const rests = this.#silentReads - SILENT_READS_MAX;
    const restMs = REST_MS[Math.min(rests, REST_MS.length - 1)] ?? 0;
    this.#restUntilMs = this.#options.clock.monotonicMs() + restMs;
  }
}
