/**
 * Which events of one epoch are kept, and their hashes: 32 bytes of sha256 at (sequence - 1) * 32, zeros for none. It tells
 * a repeat from a fork without a database, and a billing system would have a unique key in its place. It may be behind the
 * output after a crash, never ahead: an entry is written when its event's line is on stable storage.
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { IntervalSet } from '../ledger/intervals.ts';
import { makeDirectory } from '../platform/directories.ts';

const ENTRY_BYTES = 32;
const WINDOW_BYTES = 1024 * 1024;
const NONE = Buffer.alloc(ENTRY_BYTES);
const EMPTY = Buffer.alloc(WINDOW_BYTES);

export class HashIndex {
  readonly #file: number;
  readonly had: IntervalSet;

  constructor(path: string) {
    makeDirectory(dirname(path));
    this.#file = openSync(path, existsSync(path) ? 'r+' : 'wx+', 0o640);
    this.had = this.#read();
  }

  /** base64url; undefined when there is no such event. */
  hashAt(seq: number): string | undefined {
    if (!this.had.has(seq)) return undefined;
    const entry = Buffer.alloc(ENTRY_BYTES);
    readSync(this.#file, entry, 0, ENTRY_BYTES, (seq - 1) * ENTRY_BYTES);
    return entry.toString('base64url');
  }

  add(seq: number, hash: string): void {
    writeSync(this.#file, Buffer.from(hash, 'base64url'), 0, ENTRY_BYTES, (seq - 1) * ENTRY_BYTES);
    this.had.add(seq);
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(): IntervalSet {
    const had = new IntervalSet();
    const window = Buffer.alloc(WINDOW_BYTES);
    for (let at = 0; ; at += WINDOW_BYTES) {
      const length = readSync(this.#file, window, 0, WINDOW_BYTES, at);
      // One event of a high sequence makes a file of many empty windows.
      if (length === WINDOW_BYTES && window.equals(EMPTY)) continue;
      for (let entry = 0; entry + ENTRY_BYTES <= length; entry += ENTRY_BYTES) {
        if (window.compare(NONE, 0, ENTRY_BYTES, entry, entry + ENTRY_BYTES) !== 0)
          had.add((at + entry) / ENTRY_BYTES + 1);
      }
      if (length < WINDOW_BYTES) return had;
    }
  }
}
