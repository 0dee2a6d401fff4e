/**
 * The worst disk that still keeps its word: data is safe once its file was synced, a name once the names were, and nothing
 * else is. After a power cut each name that was not synced is as before or as after, by itself, and data that was not synced
 * is torn. It ends the process at a step that is chosen, before or after the step was done.
 */
import type { ConfigDisk } from '../../src/remote/disk.ts';
import type { Random } from '../../src/workbench/random.ts';

interface File {
  data: Buffer;
  synced: boolean;
}

export class Crash extends Error {}

export class ModelDisk implements ConfigDisk {
  readonly #random: Random;
  /** As the running system sees them. */
  #names = new Map<string, File>();
  /** As they are on the medium. */
  #kept = new Map<string, File>();
  #left = Number.POSITIVE_INFINITY;
  /** Syncs do nothing: ever, or until something is written. */
  deaf: 'never' | 'until written' | 'always' = 'never';
  steps = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The process ends at this step from now on. */
  crashAt(step: number): void {
    this.#left = step;
  }

  powerCut(): void {
    const after = new Map<string, File>();
    for (const name of new Set([...this.#kept.keys(), ...this.#names.keys()])) {
      const [old, fresh] = [this.#kept.get(name), this.#names.get(name)];
      const file = old === fresh || this.#random.unit() < 0.5 ? fresh : old;
      if (file !== undefined) after.set(name, file.synced ? file : this.#torn(file));
    }
    this.#names = after;
    this.#kept = new Map(after);
  }

  async read(name: string): Promise<Buffer | undefined> {
    return this.#names.get(name)?.data;
  }

  async list(): Promise<readonly string[]> {
    return [...this.#names.keys()];
  }

  async write(name: string, bytes: Buffer): Promise<void> {
    if (this.deaf === 'until written') this.deaf = 'never';
    this.#step(() => this.#names.set(name, { data: bytes, synced: false }));
  }

  async sync(name: string): Promise<void> {
    this.#step(() => {
      const file = this.#names.get(name);
      if (file === undefined) throw new Error(`${name} is not there`);
      if (this.deaf === 'never') file.synced = true;
    });
  }

  async syncNames(): Promise<void> {
    this.#step(() => {
      if (this.deaf === 'never') this.#kept = new Map(this.#names);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(() => {
      const file = this.#names.get(from);
      if (file === undefined) throw new Error(`${from} is not there`);
      this.#names.delete(from);
      this.#names.set(to, file);
    });
  }

  async remove(name: string): Promise<void> {
    this.#step(() => this.#names.delete(name));
  }

  #step(run: () => unknown): void {
    this.steps += 1;
    this.#left -= 1;
    if (this.#left > 0) {
      run();
      return;
    }
    if (this.#left === 0 && this.#random.unit() < 0.5) run();
    throw new Crash();
  }

  #torn({ data }: File): File {
    return { data: data.subarray(0, this.#random.whole(0, data.length)), synced: true };
  }
}
