/**
 * What a sensor tells the log about what it reads: each trouble once until it changes or is over, noise at most once a
 * minute. What is not told is counted, and the count stands in the next line.
 */
import type { Clock, Log, LogFields } from '../ports.ts';

const MINUTE_MS = 60_000;
/** Different troubles told at the same time; more are counted only. */
const TROUBLES_MAX = 64;

interface Told {
  readonly reason: string;
  readonly atMs: number;
  repeats: number;
}

export interface ReportsOptions {
  readonly sensor: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class Reports {
  readonly #options: ReportsOptions;
  readonly #told = new Map<string, Told>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Tells a trouble with `topic` once for each reason, until the reason changes or `over` says that it has passed. */
  trouble(topic: string, sentence: string, fields: LogFields & { readonly reason: string }): void {
    const told = this.#told.get(topic);
    if (told?.reason === fields.reason) told.repeats += 1;
    else this.#tell(topic, told, sentence, fields);
  }

  /** Tells of noise at most once a minute. `sample` is called only when it is told. */
  noise(topic: string, sentence: string, reason: string, sample: () => LogFields): void {
    const told = this.#told.get(topic);
    if (told !== undefined && this.#options.clock.monotonicMs() - told.atMs < MINUTE_MS) told.repeats += 1;
    else this.#tell(topic, told, sentence, { reason, ...sample() });
  }

  over(topic: string): void {
    this.#told.delete(topic);
  }

  #tell(
    topic: string,
    told: Told | undefined,
    sentence: string,
    fields: LogFields & { readonly reason: string },
  ): void {
    if (told === undefined && this.#told.size >= TROUBLES_MAX) return;
    const { clock, log, sensor } = this.#options;
    this.#told.set(topic, { reason: fields.reason, atMs: clock.monotonicMs(), repeats: 0 });
    const repeats = told === undefined || told.repeats === 0 ? undefined : told.repeats;
    log.warn(sentence, { sensor, ...fields, repeated_before: repeats });
  }
}
