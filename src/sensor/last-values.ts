/** The newest value of each decoded name, for whoever asks what a sensor says just now. Bounded, and never part of the data path. */
import type { DecodedRecord, Scalar } from './record.ts';

/** More than a person reads in one answer. */
const NAMES_MAX = 64;
/** Letters of a name, and of a value: the rest of a longer value is cut off. */
const LETTERS_MAX = 64;
/** Shorter pieces of a text are copies in V8; longer ones keep the whole text they were cut from in memory. */
const COPIED_LETTERS = 12;

export interface LastValue {
  readonly name: string;
  readonly kind: Scalar['kind'];
  /** As the sensor wrote it. */
  readonly text: string;
  /** When it was read, ISO 8601. */
  readonly at: string;
  readonly age_ms: number;
}

interface Kept {
  readonly kind: Scalar['kind'];
  readonly text: string;
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export class LastValues {
  readonly #kept = new Map<string, Kept>();

  take(record: DecodedRecord, wallMs: number, monotonicMs: number): void {
    for (const [name, { kind, text }] of record) {
      if (this.#kept.has(name) || this.#makeRoom(name, monotonicMs)) {
        this.#kept.set(name, { kind, text: ownText(text), wallMs, monotonicMs });
      }
    }
  }

  list(monotonicMs: number): readonly LastValue[] {
    return [...this.#kept].map(([name, { kind, text, wallMs, monotonicMs: readMs }]) => ({
      name,
      kind,
      text,
      at: new Date(wallMs).toISOString(),
      age_ms: Math.round(monotonicMs - readMs),
    }));
  }

  /** The oldest gives way, as names made of noise must not stay for ever; but none of the same record does. */
  #makeRoom(name: string, nowMs: number): boolean {
    if (name.length > LETTERS_MAX) return false;
    if (this.#kept.size < NAMES_MAX) return true;
    let oldest: string | undefined;
    let oldestMs = nowMs;
    for (const [known, { monotonicMs }] of this.#kept) {
      if (monotonicMs >= oldestMs) continue;
      oldest = known;
      oldestMs = monotonicMs;
    }
    return oldest !== undefined && this.#kept.delete(oldest);
  }
}

function ownText(text: string): string {
  if (text.length <= COPIED_LETTERS) return text;
  return Buffer.from(text.slice(0, LETTERS_MAX), 'utf8').toString('utf8');
}
