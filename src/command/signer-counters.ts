/**
 * The highest number that each key has used in a signed request. They only rise, so that a request which was captured is of
 * no use later, on a device without a clock too. Part of the command ledger's document: on disk before the command runs.
 */
export interface NumberedKey {
  readonly key: string;
  readonly n: number;
}

/** More than the file of who may sign holds; the rest are keys of earlier files. */
const KEYS_MAX = 1000;

export class SignerCounters {
  readonly #highest = new Map<string, number>();

  restore(kept: Readonly<Record<string, number>>): void {
    for (const [key, n] of Object.entries(kept)) this.#highest.set(key, n);
  }

  /** 0: none. */
  of(key: string): number {
    return this.#highest.get(key) ?? 0;
  }

  /** Returns how to take it back, where nothing was run and nothing is on disk. */
  raise({ key, n }: NumberedKey): () => void {
    const before = this.#highest.get(key);
    this.#highest.set(key, n);
    if (this.#highest.size > KEYS_MAX) this.#forgetLowest();
    return () => {
      // One that came after it counts.
      if (this.#highest.get(key) !== n) return;
      if (before === undefined) this.#highest.delete(key);
      else this.#highest.set(key, before);
    };
  }

  get kept(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#highest);
  }

  /** Of numbers that are times, that of the key which has been silent for longest. */
  #forgetLowest(): void {
    const [lowest] = [...this.#highest].toSorted(([, a], [, b]) => a - b);
    if (lowest !== undefined) this.#highest.delete(lowest[0]);
  }
}
