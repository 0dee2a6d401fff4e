/**
 * What a consumer checks of one device's events: that each chains to its neighbours and is signed by who signs there,
 * in whatever order they come and over restarts. What it must not forget is kept in `device-<device>.json` before the event is acknowledged: who
 * signs from where on, hashes that later events claim of earlier ones, and what can not be judged yet.
 */
import type { Interval } from '../ledger/intervals.ts';
import { KeyRing, type SignatureCounts, type SignatureFault } from '../ledger/key-ring.ts';
import { type VerifyingKey, verifyingKey } from '../ledger/signature.ts';
import type { Doubt, KeyChange } from '../ledger/signing-order.ts';
import type { ReceivedEvent } from './event-text.ts';

/** Events that came and whose neighbour before did not: a device's document has room for so many. */
const CLAIMS_MAX = 4096;

/** By epoch and sequence: the hash that the event behind it names. */
type Claim = readonly [epoch: string, seq: number, hash: string];

export interface KeptProof {
  readonly changes: readonly KeyChange[];
  readonly doubts: readonly Doubt[];
  readonly claims: readonly Claim[];
}

export interface Checked {
  readonly faults: readonly SignatureFault[];
  /** Nothing is wrong with it as far as is known. */
  readonly sound: boolean;
  /** What is kept has changed. */
  readonly news: boolean;
}

export class DeviceProof {
  readonly #ring: KeyRing;
  readonly #claims = new Map<string, Claim>();
  /** Who signs now, as `up/info` says. */
  #signs: string | undefined;
  #said: string;

  constructor(pinned: readonly VerifyingKey[], keys: readonly string[], kept: KeptProof | undefined) {
    this.#ring = new KeyRing(pinned);
    for (const key of keys) this.#ring.learn(key);
    this.#ring.restore(kept?.changes ?? [], kept?.doubts ?? []);
    for (const claim of kept?.claims ?? []) this.#claims.set(placeOf(claim[0], claim[1]), claim);
    this.#said = this.#ringText();
  }

  get kept(): KeptProof {
    return { changes: this.#ring.changes, doubts: this.#ring.doubts, claims: [...this.#claims.values()] };
  }

  get counts(): Readonly<SignatureCounts> {
    return this.#ring.counts;
  }

  /** What an event says of who signs from it on, for people. Undefined: nothing. */
  changeAt({ epoch, seq }: ReceivedEvent): string | undefined {
    const change = this.#ring.changes.findLast((one) => one.epoch === epoch && one.seq === seq);
    if (change === undefined) return undefined;
    const before = change.old === '' ? '' : ` in the place of ${change.old}`;
    return `${epoch} seq ${seq}: ${change.key === '' ? 'nobody' : change.key} signs from here on${before}`;
  }

  /** What an earlier run had of an epoch, and what will never come of it. */
  opens(epoch: string, had: readonly Interval[], old: string, oldLast: number): void {
    for (const [from, through] of had) this.#ring.saw(epoch, from, through);
    if (had[0]?.[0] === 1) this.#ring.begins(epoch, old, oldLast);
  }

  neverComes(epoch: string, ranges: readonly Interval[]): void {
    for (const [from, through] of ranges) this.#ring.saw(epoch, from, through);
  }

  /** `hashOf`: of an event of the same epoch that is kept, or comes with this one. */
  check(event: ReceivedEvent, hashOf: (seq: number) => string | undefined): Checked {
    const { epoch, seq, prev, hash, bytes, text } = event;
    const before = seq > 1 ? hashOf(seq - 1) : undefined;
    const claimed = this.#claims.get(placeOf(epoch, seq))?.[2];
    const had = this.#claims.delete(placeOf(epoch, seq));
    const claims = before === undefined && seq > 1 && this.#claims.size < CLAIMS_MAX;
    if (claims) this.#claims.set(placeOf(epoch, seq - 1), [epoch, seq - 1, prev]);
    const faults = [
      before !== undefined && before !== prev ? 'does not chain to the event before' : undefined,
      seq === 1 && prev !== '' ? 'is the first and names an event before' : undefined,
      claimed !== undefined && claimed !== hash ? 'is not what the event behind it chains to' : undefined,
    ].flatMap((what) => (what === undefined ? [] : [{ epoch, seq, what }]));
    const signed = this.#ring.judge(bytes, text);
    const here = signed.some((fault) => fault.epoch === epoch && fault.seq === seq);
    const sound = faults.length === 0 && !here && this.#ring.trusts(bytes, text);
    return { faults: [...faults, ...signed], sound, news: claims || had || this.#ringChanged() };
  }

  /** An event that came before: whether it is sound. */
  trusts({ bytes, text }: ReceivedEvent): boolean {
    return this.#ring.trusts(bytes, text);
  }

  /** The key of `up/info`: good for checking, also when the event that named it is gone. '': nobody signs. */
  learn(publicKey: string): readonly SignatureFault[] {
    this.#signs = keyIdOf(publicKey);
    return this.#ring.learn(publicKey);
  }

  /** All that there is has come; `whole`: no event that is lost can have said who signs. */
  finish(whole: boolean): readonly SignatureFault[] {
    return this.#ring.finish(whole ? this.#signs : undefined);
  }

  #ringChanged(): boolean {
    const text = this.#ringText();
    const changed = text !== this.#said;
    this.#said = text;
    return changed;
  }

  #ringText(): string {
    const { changes, doubts } = this.#ring;
    return changes.length + doubts.length === 0 ? '' : JSON.stringify([changes, doubts]);
  }
}

/** From what a document held, which may be of an agent before, or anybody's. */
export function parseKeptProof(found: unknown): KeptProof | undefined {
  const { changes, doubts, claims } = (found ?? {}) as Partial<Record<keyof KeptProof, unknown>>;
  if (!areAll(changes, isChange) || !areAll(doubts, isDoubt) || !areAll(claims, isClaim)) return undefined;
  return { changes, doubts, claims };
}

/** The key that `up/info` names, '' for none; undefined when it says nothing of it. */
export function keyOfInfo(payload: Buffer): string | undefined {
  try {
    const { signing } = JSON.parse(payload.toString('utf8')) as {
      readonly signing?: { readonly public?: unknown } | null;
    };
    if (signing === null) return '';
    const key = signing?.public;
    return typeof key === 'string' && key.length <= 1024 ? key : undefined;
  } catch {
    return undefined;
  }
}

function keyIdOf(publicKey: string): string | undefined {
  if (publicKey === '') return '';
  try {
    return verifyingKey(Buffer.from(publicKey, 'base64')).keyId;
  } catch {
    return undefined;
  }
}

function placeOf(epoch: string, seq: number): string {
  return `${epoch} ${seq}`;
}

function areAll<Item>(found: unknown, is: (item: unknown) => item is Item): found is readonly Item[] {
  return Array.isArray(found) && found.every(is);
}

function isChange(found: unknown): found is KeyChange {
  const { epoch, seq, key, old } = (found ?? {}) as Partial<Record<keyof KeyChange, unknown>>;
  return [epoch, key, old].every((text) => typeof text === 'string') && Number.isSafeInteger(seq);
}

function isDoubt(found: unknown): found is Doubt {
  const { epoch, key, from, through } = (found ?? {}) as Partial<Record<keyof Doubt, unknown>>;
  return (
    typeof epoch === 'string' && typeof key === 'string' && [from, through].every((at) => Number.isSafeInteger(at))
  );
}

function isClaim(found: unknown): found is Claim {
  const [epoch, seq, hash] = (Array.isArray(found) ? found : []) as unknown[];
  return typeof epoch === 'string' && Number.isSafeInteger(seq) && typeof hash === 'string';
}
