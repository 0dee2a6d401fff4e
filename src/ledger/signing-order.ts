/**
 * Who signs at which place of a ledger, as its `ledger.key` events say: from each of them on its key, before the first the
 * one that it names as old, over the epochs as they follow each other. Pure, and of any order of coming: an event that is
 * not signed, or by a key that is not known, is a doubt until all is there that could excuse it.
 */
import { IntervalSet } from './intervals.ts';

export interface Place {
  readonly epoch: string;
  readonly seq: number;
}

/** From this event on `key` signs, '' for nobody; before it `old` did. */
export interface KeyChange extends Place {
  readonly key: string;
  readonly old: string;
}

/** Events in a row that no key signed (''), or one that no event names. */
export interface Doubt {
  readonly epoch: string;
  readonly key: string;
  readonly from: number;
  readonly through: number;
}

interface Fault extends Place {
  readonly what: string;
}

/** A device changes its key a few times in its life. */
const CHANGES_MAX = 256;
const EPOCHS_MAX = 1024;
/** Rows of doubts that are looked at again with each event; what is beyond is judged by what is known. */
const DOUBTS_MAX = 256;

export class SigningOrder {
  #changes: readonly KeyChange[] = [];
  /** By epoch: the one before and its last sequence; undefined when its first event names none. */
  readonly #links = new Map<string, Place | undefined>();
  readonly #seen = new Map<string, IntervalSet>();
  readonly #doubts = new Map<string, { readonly epoch: string; readonly key: string; readonly at: IntervalSet }>();
  /** Epochs whose first event stands before the word about their key. */
  readonly #begun = new Set<string>();
  readonly #excused = new Set<string>();

  /** In the order of their coming. */
  get changes(): readonly KeyChange[] {
    return this.#changes;
  }

  /** What waits for events before it. */
  get openDoubts(): readonly Doubt[] {
    const behindHoles = ({ epoch, from }: Doubt): boolean => !this.#seenAll(epoch, 1, from);
    return this.#rows().filter(behindHoles).slice(0, DOUBTS_MAX);
  }

  /** These are there, or will never come. */
  saw(epoch: string, from: number, through = from): void {
    const known = this.#seen.get(epoch);
    if (known !== undefined) known.add(from, through);
    else if (this.#seen.size < EPOCHS_MAX) this.#seen.set(epoch, new IntervalSet([[from, through]]));
  }

  /** An epoch's first event; `old`: '' when it names no epoch before. */
  begins(epoch: string, old: string, oldLast: number): void {
    if (this.#links.size < EPOCHS_MAX) this.#links.set(epoch, old === '' ? undefined : { epoch: old, seq: oldLast });
  }

  /** A key that signed somewhere, whose public part nobody has any more. */
  excuse(key: string): void {
    if (this.#excused.size < CHANGES_MAX) this.#excused.add(key);
  }

  /** False: there are too many. */
  change(change: KeyChange): boolean {
    const others = this.#changes.filter(({ epoch, seq }) => epoch !== change.epoch || seq !== change.seq);
    if (others.length >= CHANGES_MAX) return false;
    this.#changes = [...others, change];
    return true;
  }

  /** `first`: the first event of an epoch, which stands before the one that names its key. */
  doubt({ epoch, key, from, through }: Doubt, first = false): readonly Fault[] {
    const known = this.#doubts.get(`${epoch} ${key}`);
    const doubt = known ?? { epoch, key, at: new IntervalSet() };
    const grows = doubt.at.has(from - 1);
    if (!grows && this.#rows().length >= DOUBTS_MAX) return this.#judged({ epoch, key, from, through }, true).faults;
    if (first) this.#begun.add(epoch);
    doubt.at.add(from, through);
    if (known === undefined) this.#doubts.set(`${epoch} ${key}`, doubt);
    return [];
  }

  /** Whether an event says that this key signs, or did. */
  names(key: string): boolean {
    return this.#changes.some((change) => change.key === key || change.old === key);
  }

  /** Whether nothing is wrong with a doubt by what is known now. */
  excuses(doubt: Doubt): boolean {
    return this.#judged(doubt, true).faults.length === 0;
  }

  /** What is wrong for certain. */
  settle(): readonly Fault[] {
    return this.#changes.length === 0 ? [] : this.#settle(false, undefined);
  }

  /**
   * Nothing more comes. `signs`: who signs at the end, known from elsewhere; `any`: some key is known, so another one is
   * nobody's.
   */
  finish(signs: string | undefined, any: boolean): readonly Fault[] {
    const faults = this.#settle(true, this.#changes.length === 0 ? signs : undefined);
    const left = this.#rows().filter(
      (row) => any && row.key !== '' && !this.#excused.has(row.key) && !this.#waitsForSecond(row),
    );
    this.#doubts.clear();
    const what = (key: string): string => `is signed by ${key}, a key that nothing here names`;
    return [...faults, ...left.map((row) => ({ epoch: row.epoch, seq: row.from, what: upTo(row) + what(row.key) }))];
  }

  #rows(): Doubt[] {
    return [...this.#doubts.values()].flatMap(({ epoch, key, at }) =>
      at.intervals().map(([from, through]) => ({ epoch, key, from, through })),
    );
  }

  #settle(final: boolean, signs: string | undefined): readonly Fault[] {
    const faults: Fault[] = [];
    for (const row of this.#rows()) {
      const judged = this.#judged(row, final, signs);
      faults.push(...judged.faults);
      const doubt = this.#doubts.get(`${row.epoch} ${row.key}`);
      for (const { from, through } of judged.certain) doubt?.at.deleteRange(from, through);
      if (doubt?.at.size === 0) this.#doubts.delete(`${row.epoch} ${row.key}`);
    }
    return faults;
  }

  /** The pieces of a row for which it is certain who signs, and what is wrong with them. */
  #judged(row: Doubt, final: boolean, signs?: string): { readonly certain: Doubt[]; readonly faults: Fault[] } {
    const certain: Doubt[] = [];
    const faults: Fault[] = [];
    const edges = this.#ofEpoch(row.epoch).map(({ seq }) => seq);
    // The first event is a piece of its own: the key that the second names may be its.
    if (this.#begun.has(row.epoch)) edges.push(2);
    edges.sort((a, b) => a - b);
    for (let from = row.from; from <= row.through; ) {
      const start = from;
      const through = Math.min(row.through, (edges.find((edge) => edge > start) ?? Number.MAX_SAFE_INTEGER) - 1);
      const piece = { ...row, from, through };
      const signer = this.#signerOf(piece, final) ?? signs;
      from = through + 1;
      if (signer === undefined) continue;
      certain.push(piece);
      const what = this.#ownFirst(piece) ? undefined : faultOf(row.key, signer);
      if (what !== undefined) faults.push({ epoch: row.epoch, seq: start, what: upTo(piece) + what });
    }
    return { certain, faults };
  }

  /** An epoch's first event already has the key that its second one names. */
  #ownFirst({ epoch, key, from }: Doubt): boolean {
    return (
      from === 1 && this.#begun.has(epoch) && this.#ofEpoch(epoch)[0]?.seq === 2 && this.#ofEpoch(epoch)[0]?.key === key
    );
  }

  /** An epoch's first event, of which nothing can be said without the second, at the end of a run or a file either. */
  #waitsForSecond({ epoch, from }: Pick<Doubt, 'epoch' | 'from'>): boolean {
    return from === 1 && this.#begun.has(epoch) && !this.#seenAll(epoch, 1, 2);
  }

  /** Who signs there; undefined as long as an event that is not there could say otherwise. */
  #signerOf({ epoch, from, through }: Doubt, final: boolean): string | undefined {
    if (this.#waitsForSecond({ epoch, from })) return undefined;
    const [first] = this.#ofEpoch(epoch);
    if (first !== undefined && first.seq > from)
      return final || this.#seenAll(epoch, through, first.seq) ? first.old : undefined;
    return (
      this.#signerBefore(epoch, from, final) ??
      this.#signerBehind(epoch, through, final) ??
      this.#signerElsewhere(epoch, from, final)
    );
  }

  /** By the newest word before a place, in this epoch or those before it. */
  #signerBefore(epoch: string, seq: number, final: boolean): string | undefined {
    let at: Place | undefined = { epoch, seq };
    for (let steps = 0; at !== undefined && steps < EPOCHS_MAX; steps += 1) {
      const { epoch: here, seq: through }: Place = at;
      const own = this.#ofEpoch(here);
      // Nobody but the first event of the next says where an older epoch ended: its newest word counts all the same.
      const change = steps === 0 ? own.findLast((one) => one.seq <= through) : own.at(-1);
      if (!final && !this.#seenAll(here, Math.min(change?.seq ?? 1, through), through)) return undefined;
      if (change !== undefined) return change.key;
      if (own[0] !== undefined) return own[0].old;
      at = this.#links.get(here);
    }
    return undefined;
  }

  /** By the first word in the epochs behind. */
  #signerBehind(epoch: string, seq: number, final: boolean): string | undefined {
    let at = { epoch, seq };
    for (let steps = 0; steps < EPOCHS_MAX; steps += 1) {
      const { epoch: here, seq: from } = at;
      const [next, before] = [...this.#links].find(([, link]) => link?.epoch === here) ?? [];
      if (next === undefined || before === undefined) return undefined;
      if (!final && from < before.seq && !this.#seenAll(here, from, before.seq)) return undefined;
      const [first] = this.#ofEpoch(next);
      if (first !== undefined) return final || this.#seenAll(next, 1, first.seq) ? first.old : undefined;
      at = { epoch: next, seq: 1 };
    }
    return undefined;
  }

  /** An epoch that follows none, of a device that has signed: who signed last is expected to. */
  #signerElsewhere(epoch: string, seq: number, final: boolean): string | undefined {
    const newest = this.#changes.at(-1);
    if (newest === undefined || final) return newest?.key;
    const alone = this.#links.has(epoch) && this.#links.get(epoch) === undefined && this.#seenAll(epoch, 1, seq);
    let at = newest.epoch;
    for (let steps = 0; alone && steps < EPOCHS_MAX; steps += 1) {
      if (!this.#links.has(at)) return undefined;
      const before = this.#links.get(at);
      if (before === undefined) return newest.key;
      // It follows this one, and what is still to come says who signed here.
      if (before.epoch === epoch) return undefined;
      at = before.epoch;
    }
    return undefined;
  }

  #seenAll(epoch: string, from: number, through: number): boolean {
    return this.#seen.get(epoch)?.covers(from, through) ?? false;
  }

  #ofEpoch(epoch: string): readonly KeyChange[] {
    return this.#changes.filter((change) => change.epoch === epoch).sort((a, b) => a.seq - b.seq);
  }
}

/** `key`: '' when the event is not signed, else one whose public part is not known. */
function faultOf(key: string, signer: string): string | undefined {
  if (key === signer) return undefined;
  if (key === '') return `is not signed, and ${signer} signs here`;
  return `is signed by ${key}, a key that nothing here names; ${signer === '' ? 'nobody' : signer} signs here`;
}

function upTo({ from, through }: Doubt): string {
  return from === through ? '' : `with all through ${through} `;
}
