/**
 * Readings of one route between two samples, reduced to one value a field: its last, or the mean of its numbers. Memory
 * is one entry a field, however many readings come. Taking the sample empties it, so no value is ever sent again with a
 * new time.
 */
import type { Reading } from '../sensor/route.ts';

/** `atMs` on the monotonic clock: when the newest reading in it came. */
export interface SampledReading extends Reading {
  readonly atMs: number;
}

interface Held {
  last: SampledReading;
  sum: number;
  count: number;
}

export class SampleWindow {
  readonly #reduce: 'last' | 'mean';
  readonly #held = new Map<string, Held>();

  constructor(reduce: 'last' | 'mean') {
    this.#reduce = reduce;
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  add(readings: readonly Reading[], atMs: number): void {
    for (const reading of readings) {
      const held = this.#held.get(reading.name) ?? { last: { ...reading, atMs }, sum: 0, count: 0 };
      held.last = { ...reading, atMs };
      if (typeof reading.value === 'number') {
        held.sum += reading.value;
        held.count += 1;
      }
      this.#held.set(reading.name, held);
    }
  }

  /** Takes everything out, in the order in which the fields first came. */
  take(): readonly SampledReading[] {
    const sampled = [...this.#held.values()].map((held) => this.#reduced(held));
    this.#held.clear();
    return sampled;
  }

  #reduced(held: Held): SampledReading {
    // A text or a switch has no mean: its last value stands.
    if (this.#reduce === 'last' || typeof held.last.value !== 'number') return held.last;
    return { ...held.last, value: held.sum / held.count };
  }
}
