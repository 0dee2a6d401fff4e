/**
 * What numbers each sensor has used: the exact set per (sensor, source epoch) as intervals, so that a repeat is known
 * without a scan, and a digest of the content for the newest numbers, so that the same number with other content is told
 * from a repeat. Bounded, and never guessed at: a number below what is kept of its epoch is judged `unknown`, and so is a used
 * one whose digest is gone. A sensor repeats what it has not heard of, the newest of this restart or the one before; but a new
 * board that counts from 1 again, and a counter that wraps, use just the others, for other content. A whole source epoch that
 * fell out of the bound can not be told from a new one: a repeat from before the last eight restarts of a sensor is taken as
 * new.
 */
import { hash } from 'node:crypto';
import type { EventField } from '../ports.ts';
import { type Interval, IntervalSet } from './intervals.ts';

/** Source epochs kept for a sensor (a pump that reboots). A repeat comes within seconds, from the newest or the one before. */
const EPOCHS_MAX = 8;
/** Intervals kept for one source epoch. A sensor that counts without gaps needs one. */
const INTERVALS_MAX = 128;
/**
 * Content digests kept of all sensors, some 90 KB of each segment: a pump whose answer was lost sells on, and says what it has
 * not heard of a thousand sales later.
 */
const DIGESTS_MAX = 4096;
/** Of each source epoch at the least, however many sensors share. */
const DIGESTS_LEAST = 128;
/** The one that counts, and the one before: what was said before a restart is repeated after it. */
const EPOCHS_WITH_DIGESTS = 2;

/** `unknown`: older than what is kept; neither a repeat nor new can be claimed. */
export type SourceVerdict = 'new' | 'repeat' | 'conflict' | 'unknown';

interface SourceEpoch {
  /** Numbers up to here that are not in `used` may have been used. */
  floor: number;
  used: IntervalSet;
  readonly digests: Map<number, string>;
}

type EpochSnapshot = readonly [
  epoch: string,
  floor: number,
  used: readonly Interval[],
  digests: readonly (readonly [number, string])[],
];
/** Per sensor its source epochs, oldest first. */
export type SourcesSnapshot = readonly (readonly [sensor: string, epochs: readonly EpochSnapshot[]])[];

export class Sources {
  readonly #sensors = new Map<string, Map<string, SourceEpoch>>();

  constructor(snapshot: SourcesSnapshot = []) {
    for (const [sensor, epochs] of snapshot) {
      const kept = new Map<string, SourceEpoch>();
      for (const [epoch, floor, used, digests] of epochs) {
        kept.set(epoch, { floor, used: new IntervalSet(used), digests: new Map(digests) });
      }
      this.#sensors.set(sensor, kept);
    }
  }

  /** What a frame with this number is. `digest` as `contentDigest` makes it. */
  judge(sensor: string, epoch: string, seq: number, digest: string): SourceVerdict {
    const known = this.#sensors.get(sensor)?.get(epoch);
    if (known === undefined) return 'new';
    if (!known.used.has(seq)) return seq <= known.floor ? 'unknown' : 'new';
    const before = known.digests.get(seq);
    if (before === undefined) return 'unknown';
    return before === digest ? 'repeat' : 'conflict';
  }

  add(sensor: string, epoch: string, seq: number, digest: string): void {
    const epochs = this.#sensors.get(sensor) ?? new Map<string, SourceEpoch>();
    this.#sensors.set(sensor, epochs);
    const entry = epochs.get(epoch) ?? { floor: -1, used: new IntervalSet(), digests: new Map<number, string>() };
    epochs.delete(epoch);
    epochs.set(epoch, entry);
    for (const older of [...epochs.values()].slice(0, -EPOCHS_WITH_DIGESTS)) older.digests.clear();
    entry.used.add(seq);
    entry.digests.set(seq, digest);
    const share = Math.floor(DIGESTS_MAX / (EPOCHS_WITH_DIGESTS * this.#sensors.size));
    dropOldest(entry.digests, Math.max(DIGESTS_LEAST, share));
    dropOldest(epochs, EPOCHS_MAX);
    if (entry.used.pieces > INTERVALS_MAX) dropLowest(entry);
  }

  snapshot(): SourcesSnapshot {
    return [...this.#sensors].map(([sensor, epochs]) => [
      sensor,
      [...epochs].map(
        ([epoch, entry]): EpochSnapshot => [epoch, entry.floor, entry.used.intervals(), [...entry.digests]],
      ),
    ]);
  }
}

/**
 * The billing content of an event, in 66 bits: enough that a changed sale can not pass as a repeat by chance. `quality` is
 * no content: a register is flagged against the reading before it, and a repeat comes after another one.
 */
export function contentDigest(stream: string, type: string, data: Readonly<Record<string, EventField>>): string {
  const isGood = Object.values(data).every(({ quality }) => quality === 'good');
  const content = isGood ? data : withoutQuality(data);
  return hash('sha256', JSON.stringify([stream, type, content]), 'base64url').slice(0, 11);
}

function withoutQuality(data: Readonly<Record<string, EventField>>): Readonly<Record<string, EventField>> {
  return Object.fromEntries(
    Object.entries(data).map(([name, field]) => [name, { ...field, quality: 'good' as const }]),
  );
}

/** A source number as the ledger keeps it, or undefined for what is not a whole number below 2^53. */
export function parseSourceSeq(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const seq = Number(text);
  return Number.isSafeInteger(seq) ? seq : undefined;
}

function dropOldest(map: Map<unknown, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}

function dropLowest(entry: SourceEpoch): void {
  const [lowest, ...rest] = entry.used.intervals();
  if (lowest === undefined) return;
  entry.floor = lowest[1];
  entry.used = new IntervalSet(rest);
}
