/**
 * What a consumer knows of one device, over all its epochs, and what its receipt says. Pure. A receipt for an epoch says
 * that the consumer is done with the epochs before it; so an older one is completed first. What is missing is given up on
 * the device's word alone, never because time passed: it was asked for, and a status that came afterwards says that the
 * device does not keep it. It is lost then, which is told and kept, and the receipt goes on behind it.
 */
import type { Interval } from '../ledger/intervals.ts';
import type { DeviceWord } from './device-word.ts';
import { EpochBook, type EpochRecord, type Kept } from './epoch-book.ts';
import { SEQ_MAX } from './event-text.ts';

/** Ranges of one receipt. */
const WANT_MAX = 64;
/** Gaps and losses of a device, which are kept on disk as one document. */
const PIECES_MAX = 10_000;
const NOTHING: Interval = [SEQ_MAX + 1, SEQ_MAX];

export interface Receipt {
  readonly epoch: string;
  readonly through: number;
  readonly hash: string | undefined;
  readonly want: readonly Interval[];
}

export interface Loss {
  readonly epoch: string;
  readonly ranges: readonly Interval[];
}

export class DeviceBook {
  /** In the order in which they were seen first, or as the device lists them. */
  readonly #epochs = new Map<string, EpochBook>();

  /** In the order in which they followed each other, as far as that is known. */
  get epochs(): readonly string[] {
    return this.#ordered().map(({ name }) => name);
  }

  /** What is to be kept on disk. */
  get records(): readonly EpochRecord[] {
    return [...this.#epochs.values()].map(({ record }) => record);
  }

  open(record: EpochRecord, kept: Kept): void {
    if (this.#epochs.has(record.epoch)) return;
    this.#epochs.set(record.epoch, new EpochBook(record, kept));
    this.#link();
  }

  has(epoch: string): boolean {
    return this.#epochs.has(epoch);
  }

  /** A `ledger.epoch` event says which epoch came before, and through where. Whether that is news. */
  follows(epoch: string, oldEpoch: string, oldLast: number): boolean {
    const known = this.#epochs.get(epoch);
    if (known === undefined || (known.oldEpoch === oldEpoch && known.oldLast === oldLast)) return false;
    known.oldEpoch = oldEpoch;
    known.oldLast = oldLast;
    this.#link();
    return true;
  }

  /** An event came; it is had once it is on stable storage. */
  came(epoch: string, seq: number): void {
    const known = this.#epochs.get(epoch);
    if (known === undefined) return;
    known.came.add(seq);
    known.last = Math.max(known.last, seq);
  }

  /** A `ledger.gap` event names sequences that will never come. Whether that is news. */
  neverComes(epoch: string, from: number, through: number): boolean {
    const known = this.#epochs.get(epoch);
    if (known === undefined || known.gaps.covers(from, through) || this.#pieces >= PIECES_MAX) return false;
    known.gaps.add(from, through);
    return true;
  }

  /** A receipt that asks for these was sent. */
  asked(epoch: string, ranges: readonly Interval[]): void {
    const known = this.#epochs.get(epoch);
    for (const [from, through] of ranges) known?.asked.add(from, through);
  }

  /**
   * The device says what it keeps; each epoch that it names is open. `fresh`: it says so now; false: the broker had kept
   * it. Gives what is lost by that, and whether the records changed.
   */
  hear({ keeps, whole }: DeviceWord, fresh: boolean): { readonly lost: readonly Loss[]; readonly changed: boolean } {
    // The live epoch grows; an older one ends where the device says, also when an old copy of it had been put back.
    const kept = new Map(
      keeps.map(({ epoch, first, last }, at) => [epoch, [first, at === keeps.length - 1 ? SEQ_MAX : last] as const]),
    );
    let changed = false;
    for (const { epoch, last } of keeps) {
      const known = this.#epochs.get(epoch);
      if (known === undefined) continue;
      known.last = Math.max(known.last, last);
      // In the order of the device, where no event has told it.
      this.#epochs.delete(epoch);
      this.#epochs.set(epoch, known);
    }
    const lost: Loss[] = [];
    for (const known of this.#epochs.values()) {
      const range = kept.get(known.name);
      known.denied = whole && range === undefined;
      if (range === undefined && !whole) continue;
      const [first, through] = range ?? NOTHING;
      // A card that was thought to be gone is back: what it has must not pass for lost in a receipt.
      changed = known.keeps(first, through) || changed;
      const ranges = fresh ? known.keepsOnly(first, through, PIECES_MAX - this.#pieces) : [];
      if (ranges.length > 0) lost.push({ epoch: known.name, ranges });
    }
    return { lost, changed: changed || lost.length > 0 };
  }

  through(epoch: string): number {
    return this.#epochs.get(epoch)?.through ?? 0;
  }

  missing(epoch: string): readonly Interval[] {
    return this.#epochs.get(epoch)?.missing() ?? [];
  }

  /** Never came, and the device does not keep it. */
  lost(epoch: string): readonly Interval[] {
    return this.#epochs.get(epoch)?.lost ?? [];
  }

  get lostEvents(): number {
    const ranges = [...this.#epochs.values()].flatMap(({ lost }) => lost);
    return ranges.reduce((events, [from, through]) => events + through - from + 1, 0);
  }

  /** Nothing more is to come of what the device is known to have accepted. */
  get done(): boolean {
    const all = [...this.#epochs.values()];
    return all.length > 0 && all.every((epoch) => epoch.done);
  }

  /** Nothing is missing or lost of what the device is known to have accepted. */
  get complete(): boolean {
    return this.done && this.lostEvents === 0;
  }

  /** What the consumer has to say now. `asks`: whether a missing range is old enough to be asked for. */
  receipt(asks: boolean): Receipt | undefined {
    const all = this.#ordered();
    const due = all.find(({ done }) => !done) ?? all.findLast(({ denied }) => !denied) ?? all.at(-1);
    if (due === undefined) return undefined;
    const want = asks ? due.missing().slice(0, WANT_MAX) : [];
    // The hash must be of an event: what will never come has none.
    const through = due.kept.had.lastPresent(due.through);
    return { epoch: due.name, through, hash: due.kept.hashAt(through), want };
  }

  get #pieces(): number {
    return [...this.#epochs.values()].reduce((sum, { pieces }) => sum + pieces, 0);
  }

  /** Where an epoch ends is known from the one after it. */
  #link(): void {
    for (const { oldEpoch, oldLast } of this.#epochs.values()) {
      const before = this.#epochs.get(oldEpoch);
      if (before !== undefined) before.last = Math.max(before.last, oldLast);
    }
  }

  /** One that is named as the one before stands before; two that name each other are in the order of their coming. */
  #ordered(): readonly EpochBook[] {
    const ordered = new Set<EpochBook>();
    for (const one of this.#epochs.values()) {
      const chain = new Set<EpochBook>();
      let at: EpochBook | undefined = one;
      while (at !== undefined && !ordered.has(at) && !chain.has(at)) {
        chain.add(at);
        at = this.#epochs.get(at.oldEpoch);
      }
      for (const epoch of [...chain].reverse()) ordered.add(epoch);
    }
    return [...ordered];
  }
}
