/**
 * The keys by which the signatures of a ledger's events are judged: those that are pinned, or those that the events
 * themselves name (`ledger.key`). Whoever must know whose device it is pins the key; without a pin it shows that nobody
 * changed an event without a key that the events name. Events may come in any order: each is judged by who signs at its place (signing-order.ts), and one that comes
 * before the word about its key waits for it, in bounded memory.
 */
import { type AgentWord, agentWord } from './agent-words.ts';
import { type Doubt, type KeyChange, SigningOrder } from './signing-order.ts';
import { judgeSignature, type SignatureVerdict, type VerifyingKey, verifyingKey } from './signature.ts';

/** The members of an event that say who signed it, and where it stands. */
export interface SignedText {
  readonly epoch?: unknown;
  readonly seq?: unknown;
  readonly stream?: unknown;
  readonly type?: unknown;
  readonly key?: unknown;
  readonly data?: unknown;
}

export interface SignatureCounts {
  good: number;
  unsigned: number;
  /** Signed by a key whose public part is not known here. */
  unknown: number;
}

/** What is wrong at a place: of the event at hand, or of one that had to wait. */
export interface SignatureFault {
  readonly epoch: string;
  readonly seq: number;
  readonly what: string;
}

interface Waiting {
  readonly epoch: string;
  readonly seq: number;
  readonly payload: Buffer;
}

type SaysKey = Extract<AgentWord, { kind: 'key' }>;

const BAD = 'has a signature that does not fit its bytes';
/** Events whose key is not known yet: beyond this they stay unknown. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** A device changes its key a few times in its life. */
const KEYS_MAX = 64;

export class KeyRing {
  readonly #keys = new Map<string, VerifyingKey>();
  readonly #pinned: readonly string[];
  /** By key, what it signed before it was known. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingBytes = 0;
  readonly #order = new SigningOrder();
  readonly counts: SignatureCounts = { good: 0, unsigned: 0, unknown: 0 };

  constructor(pinned: readonly VerifyingKey[] = []) {
    this.#pinned = pinned.map(({ keyId }) => keyId);
    for (const key of pinned) this.#keys.set(key.keyId, key);
  }

  /** Who signs from where on, as the events said, in the order of their coming. */
  get changes(): readonly KeyChange[] {
    return this.#order.changes;
  }

  /** What can not be judged before other events have come. */
  get doubts(): readonly Doubt[] {
    return this.#order.openDoubts;
  }

  /** Takes what an earlier ring knew. */
  restore(changes: readonly KeyChange[], doubts: readonly Doubt[]): void {
    for (const change of changes) this.#order.change(change);
    for (const doubt of doubts) this.#order.doubt(doubt);
  }

  /** These events are judged already, or will never come. */
  saw(epoch: string, from: number, through: number): void {
    this.#order.saw(epoch, from, through);
  }

  /** `old`: the epoch before, '' for none. */
  begins(epoch: string, old: string, oldLast: number): void {
    this.#order.begins(epoch, old, oldLast);
  }

  /** A key from elsewhere than the events. Ignored beside a pin, and when it is none. */
  learn(publicKey: unknown): readonly SignatureFault[] {
    const key = this.#pinned.length > 0 ? undefined : keyOf(publicKey);
    if (key === undefined) return [];
    this.#order.excuse(key.keyId);
    return this.#learn(key);
  }

  /** Whether an event is sound by what is known now. Counts and remembers nothing. */
  trusts(payload: Buffer, text: SignedText): boolean {
    const verdict = judgeSignature(payload, text.key, this.#keys);
    const key = verdict === 'unsigned' ? '' : String(text.key);
    if (verdict === 'bad' || this.#pinned.length > 0) return verdict === 'good';
    if (verdict === 'good' && this.#order.names(key)) return true;
    const seq = Number(text.seq);
    return this.#order.excuses({ epoch: String(text.epoch), key, from: seq, through: seq });
  }

  /** The id of a key that signed here, whose public part nobody has any more. */
  learnName(keyId: string): void {
    this.#order.excuse(keyId);
  }

  /** What is wrong with the event's signature, and with those of earlier ones, now that this one is known. */
  judge(payload: Buffer, text: SignedText): readonly SignatureFault[] {
    const place = { epoch: String(text.epoch), seq: Number(text.seq) };
    const word = agentWord(text);
    this.#order.saw(place.epoch, place.seq);
    if (place.seq === 1) {
      const { old, oldLast } = word?.kind === 'epoch' ? word : { old: '', oldLast: 0 };
      this.#order.begins(place.epoch, old, oldLast);
    }
    const says = word?.kind === 'key' ? word : undefined;
    const faults = says === undefined ? [] : [...this.#introduce(payload, text, says)];
    const verdict = judgeSignature(payload, text.key, this.#keys);
    const what = this.#pinned.length > 0 ? this.#pinFault(verdict, text) : this.#fault(verdict, text, says);
    if (what !== undefined) return [...faults, { ...place, what }];
    if (says !== undefined && !this.#order.change({ ...place, key: says.key, old: says.old }))
      return [...faults, { ...place, what: 'is one of too many changes of the key' }];
    const key = verdict === 'unsigned' ? '' : String(text.key);
    // A key that is known from elsewhere signs well, but not in the place of one that the events name.
    if (this.#pinned.length === 0 && (verdict !== 'good' || !this.#order.names(key))) {
      const row = { epoch: place.epoch, key, from: place.seq, through: place.seq };
      faults.push(...this.#order.doubt(row, text.type === 'ledger.epoch'));
      if (verdict === 'unknown-key') this.#wait(key, { ...place, payload });
    }
    return [...faults, ...this.#order.settle()];
  }

  /** Nothing more comes. `signs`: who signs at the end, where that is known from elsewhere. */
  finish(signs?: string): readonly SignatureFault[] {
    return this.#pinned.length > 0 ? [] : this.#order.finish(signs, this.#keys.size > 0);
  }

  /** A key counts when the event that names it is signed by it. */
  #introduce(payload: Buffer, { key: keyId }: SignedText, says: SaysKey): readonly SignatureFault[] {
    const key = this.#pinned.length > 0 ? undefined : keyOf(says.publicKey);
    if (key === undefined || key.keyId !== keyId || key.keyId !== says.key) return [];
    return judgeSignature(payload, keyId, new Map([[key.keyId, key]])) === 'good' ? this.#learn(key) : [];
  }

  #pinFault(verdict: SignatureVerdict, { key }: SignedText): string | undefined {
    if (verdict === 'unsigned') return 'is not signed';
    if (verdict === 'bad') return BAD;
    if (verdict === 'unknown-key') return `is signed by the key ${String(key)}, not by ${this.#pinned.join(' or ')}`;
    this.counts.good += 1;
    return undefined;
  }

  /** What is wrong whatever else comes. */
  #fault(verdict: SignatureVerdict, { key }: SignedText, says: SaysKey | undefined): string | undefined {
    if (verdict === 'bad') return BAD;
    // Who ends signing may have no key any more.
    const own =
      says === undefined || (says.key === '' ? verdict !== 'unknown-key' : verdict === 'good' && says.key === key);
    if (!own)
      return `names ${says.key === '' ? 'no key' : `the key ${says.key}`} and is not signed by ${says.key === '' ? 'a known one' : 'it'}`;
    if (verdict === 'good') this.counts.good += 1;
    else if (verdict === 'unsigned') this.counts.unsigned += 1;
    else this.counts.unknown += 1;
    return undefined;
  }

  #wait(key: string, waiting: Waiting): void {
    if (this.#waitingBytes + waiting.payload.length > WAITING_BYTES_MAX) return;
    this.#waitingBytes += waiting.payload.length;
    const known = this.#waiting.get(key);
    if (known === undefined) this.#waiting.set(key, [waiting]);
    else known.push(waiting);
  }

  /** What waited for the key is judged now. */
  #learn(key: VerifyingKey): readonly SignatureFault[] {
    if (this.#keys.has(key.keyId) || this.#keys.size >= KEYS_MAX) return [];
    this.#keys.set(key.keyId, key);
    const waiting = this.#waiting.get(key.keyId) ?? [];
    this.#waiting.delete(key.keyId);
    return waiting.flatMap(({ epoch, seq, payload }) => {
      this.#waitingBytes -= payload.length;
      this.counts.unknown -= 1;
      if (judgeSignature(payload, key.keyId, this.#keys) !== 'good') return [{ epoch, seq, what: BAD }];
      this.counts.good += 1;
      return [];
    });
  }
}

function keyOf(publicKey: unknown): VerifyingKey | undefined {
  try {
    return typeof publicKey === 'string' ? verifyingKey(Buffer.from(publicKey, 'base64')) : undefined;
  } catch {
    // An event that names no usable key leaves the events behind it unknown, which is counted.
    return undefined;
  }
}
