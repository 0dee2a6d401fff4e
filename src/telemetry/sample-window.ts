/**
 * Readings of one route between two samples, reduced to few values a field: its last, mean, least, greatest, or how many
 * there were. Memory is one entry a field, however many readings come. Taking the sample empties it, so no value is ever
 * sent again with a new time.
 */
import type { Reduction, TelemetryRoute } from '../sensor/config.ts';
import type { Reading } from '../sensor/route.ts';

/** `atMs` on the monotonic clock: when the newest reading in it came. */
export interface SampledReading extends Reading {
  readonly atMs: number;
}

interface Held {
  last: SampledReading;
  /** Of the numbers among the readings. */
  sum: number;
  numbers: number;
  least: number;
  greatest: number;
  count: number;
}

/** A mean has no more digits than a 64-bit float holds exactly: 0.1 and 0.2 make 0.15, not 0.15000000000000002. */
const MEAN_DIGITS = 12;

export class SampleWindow {
  readonly #reductions: readonly Reduction[];
  /** With several reductions each value says which it is: `temp.min`. */
  readonly #isNamed: boolean;
  readonly #held = new Map<string, Held>();

  constructor(reduce: TelemetryRoute['reduce']) {
    this.#isNamed = typeof reduce !== 'string';
    this.#reductions = typeof reduce === 'string' ? [reduce] : reduce;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  add(readings: readonly Reading[], atMs: number): void {
    for (const reading of readings) {
      const last = { ...reading, atMs };
      const held = this.#held.get(reading.name) ?? {
        last,
        sum: 0,
        numbers: 0,
        least: Number.POSITIVE_INFINITY,
        greatest: Number.NEGATIVE_INFINITY,
        count: 0,
      };
      held.last = last;
      held.count += 1;
      if (typeof reading.value === 'number') {
        held.sum += reading.value;
        held.numbers += 1;
        held.least = Math.min(held.least, reading.value);
        held.greatest = Math.max(held.greatest, reading.value);
      }
      this.#held.set(reading.name, held);
    }
  }

  /** Takes everything out, in the order in which the fields first came. */
  take(): readonly SampledReading[] {
    const sampled = [...this.#held.values()].flatMap((held) =>
      this.#reductions.flatMap((reduction) => this.#reduced(held, reduction)),
    );
    this.#held.clear();
    return sampled;
  }

  #reduced(held: Held, reduction: Reduction): readonly SampledReading[] {
    const name = this.#isNamed ? `${held.last.name}.${reduction}` : held.last.name;
    if (reduction === 'count') return [{ ...held.last, name, value: held.count, unit: undefined }];
    if (reduction === 'last') return [{ ...held.last, name }];
    // A text or a switch has no mean: alone, its last value stands; beside others, it is left out.
    if (typeof held.last.value !== 'number') return this.#isNamed ? [] : [held.last];
    const mean = Number((held.sum / held.numbers).toPrecision(MEAN_DIGITS));
    const value = { mean, min: held.least, max: held.greatest }[reduction];
    return [{ ...held.last, name, value }];
  }
}
