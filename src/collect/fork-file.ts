/**
 * What came with the identity of another event: sales that a restored copy of a ledger made, which a person has to bill. So
 * they are kept like events: synced before they are acknowledged, each once. Their hashes are in indexes of their own, one
 * for each further content of an identity, of which there is a bound.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { deviceOf, readEvent, type ReceivedEvent } from './event-text.ts';
import type { HashIndex } from './hash-index.ts';
import { appendLines, mendLines } from './line-file.ts';
import { syncFile } from '../platform/durable-file.ts';

/** Copies of one ledger that sell on beside each other: more than a few are a device that makes them up. */
const COPIES_MAX = 8;

export type ForkVerdict = 'fork' | 'repeat' | 'too many';

/** `index`: that of the nth content of an epoch's identities, from 2 on; `make`: also when there is none yet. */
export type ForkIndex = (device: string, epoch: string, copy: number, make: boolean) => HashIndex | undefined;

export class ForkFile {
  readonly #path: string;
  readonly #index: ForkIndex;
  /** What is not on stable storage yet. */
  #waiting: ReceivedEvent[] = [];
  #waitingHashes = new Map<string, string[]>();

  constructor(path: string, index: ForkIndex) {
    this.#path = path;
    this.#index = index;
  }

  /** Makes whole what a crash left. */
  open(): void {
    if (!existsSync(this.#path)) return;
    mendLines(this.#path, 0, (line) => {
      const read = readEvent(deviceOf(line), line);
      if (read.kind === 'event') this.#add(read.event);
    });
    syncFile(this.#path);
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  /** Only a `fork` is kept, by the next `write`. */
  take(event: ReceivedEvent): ForkVerdict {
    const place = placeOf(event);
    const waiting = this.#waitingHashes.get(place) ?? [];
    const known = [...this.#hashes(event), ...waiting];
    if (known.includes(event.hash)) return 'repeat';
    if (known.length >= COPIES_MAX - 1) return 'too many';
    this.#waiting.push(event);
    this.#waitingHashes.set(place, [...waiting, event.hash]);
    return 'fork';
  }

  /** On stable storage, and known, when it resolves. The file is opened anew: a person may have moved it away. */
  async write(): Promise<void> {
    const events = this.#waiting;
    if (events.length === 0) return;
    this.#waiting = [];
    const file = openSync(this.#path, 'a', 0o640);
    try {
      await appendLines(
        file,
        events.map(({ bytes }) => bytes),
      );
    } finally {
      closeSync(file);
    }
    syncFile(this.#path);
    for (const event of events) {
      this.#add(event);
      const place = placeOf(event);
      const waiting = (this.#waitingHashes.get(place) ?? []).filter((hash) => hash !== event.hash);
      if (waiting.length > 0) this.#waitingHashes.set(place, waiting);
      else this.#waitingHashes.delete(place);
    }
  }

  #hashes({ device, epoch, seq }: ReceivedEvent): string[] {
    const hashes: string[] = [];
    for (let copy = 2; copy <= COPIES_MAX; copy += 1) {
      const hash = this.#index(device, epoch, copy, false)?.hashAt(seq);
      if (hash === undefined) break;
      hashes.push(hash);
    }
    return hashes;
  }

  #add(event: ReceivedEvent): void {
    const { device, epoch, seq, hash } = event;
    const known = this.#hashes(event);
    if (!known.includes(hash) && known.length < COPIES_MAX - 1)
      this.#index(device, epoch, known.length + 2, true)?.add(seq, hash);
  }
}

function placeOf({ device, epoch, seq }: ReceivedEvent): string {
  return `${device} ${epoch} ${seq}`;
}
