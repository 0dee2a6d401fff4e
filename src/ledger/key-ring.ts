/**
 * The keys by which the signatures of a row of events are judged: those that are pinned, or those that the events themselves
 * name (`ledger.key`), which shows that nobody changed an event afterwards without a key of this device, not whose device
 * it is. Whoever must know that pins the key.
 */
import { judgeSignature, type VerifyingKey, verifyingKey } from './signature.ts';

/** The members of an event that say who signed it. */
export interface SignedText {
  readonly stream?: unknown;
  readonly type?: unknown;
  readonly key?: unknown;
  readonly data?: Readonly<Record<string, { readonly value: unknown } | null | undefined>> | null;
}

export interface SignatureCounts {
  good: number;
  unsigned: number;
  /** Signed by a key that neither a pin nor an event of those seen names. */
  unknown: number;
}

export class KeyRing {
  readonly #keys = new Map<string, VerifyingKey>();
  /** Identifiers of the pinned keys; none: the keys are those that the events name. */
  readonly #pinned: readonly string[];
  readonly counts: SignatureCounts = { good: 0, unsigned: 0, unknown: 0 };
  /** The key that signs from the newest `ledger.key` event on; '' for none; undefined: not known. */
  #current: string | undefined;

  constructor(pinned: VerifyingKey | readonly VerifyingKey[] = []) {
    const keys = 'keyId' in pinned ? [pinned] : pinned;
    this.#pinned = keys.map(({ keyId }) => keyId);
    for (const key of keys) this.#keys.set(key.keyId, key);
  }

  /** A key from elsewhere than the events: the head of an export. Ignored beside a pin, and when it is none. */
  learn(publicKey: unknown): void {
    if (this.#pinned.length > 0 || typeof publicKey !== 'string') return;
    try {
      const key = verifyingKey(Buffer.from(publicKey, 'base64'));
      this.#keys.set(key.keyId, key);
    } catch {
      // An event that names no usable key leaves the events behind it unknown, which is counted.
    }
  }

  /** What is wrong with the event's signature, or undefined. Takes note of a key that the event names. */
  judge(payload: Buffer, text: SignedText): string | undefined {
    // Whoever may write on the topic chooses what is in it: `data` may be null.
    const named = text.stream === 'agent' && text.type === 'ledger.key' ? (text.data ?? {}) : undefined;
    if (named !== undefined) this.learn(named['public']?.value);
    const verdict = judgeSignature(payload, text.key, this.#keys);
    if (named !== undefined) this.#current = typeof named['key']?.value === 'string' ? named['key'].value : undefined;
    switch (verdict) {
      case 'good':
        this.counts.good += 1;
        return undefined;
      case 'bad':
        return 'has a signature that does not fit its bytes';
      case 'unknown-key':
        if (this.#pinned.length > 0)
          return `is signed by the key ${String(text.key)}, not by ${this.#pinned.join(' or ')}`;
        this.counts.unknown += 1;
        return undefined;
      case 'unsigned':
        if (this.#pinned.length > 0) return 'is not signed';
        if (this.#current !== undefined && this.#current !== '')
          return `is not signed, and ${this.#current} signs here`;
        this.counts.unsigned += 1;
        return undefined;
    }
  }
}
