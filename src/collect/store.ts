/**
 * The output of `fieldpost collect`: the events' literal bytes, one a line, one file a day (UTC); beside them what is kept
 * apart. A line counts once it is synced. After a crash the newest file may end in a torn line, which is cut off, and hold
 * lines that the index does not have yet, which are added: a line that was synced was perhaps acknowledged, one that was
 * not, never.
 */
import {
  appendFileSync,
  closeSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  write,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readEvent, type ReceivedEvent } from './event-text.ts';
import { HashIndex } from './hash-index.ts';
import { makeDirectory } from '../platform/directories.ts';

const writeAll = promisify(write);
const sync = promisify(fdatasync);

/** What is kept apart is for people: beyond this it is only counted. */
const APART_BYTES_MAX = 16 * 1024 * 1024;

export type Apart = 'forks' | 'unreadable' | 'problems';

export class Store {
  readonly #directory: string;
  readonly #indexes = new Map<string, HashIndex>();
  readonly #apartBytes: Record<Apart, number> = { forks: 0, unreadable: 0, problems: 0 };
  #day = '';
  #file: number | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes what is there whole again. Throws the system's error when the directory can not be used. */
  open(): void {
    makeDirectory(this.#directory);
    for (const name of readdirSync(this.#directory)) {
      const [, device, epoch] = /^(.{1,64})@([A-Za-z0-9]{1,32})\.sha256$/.exec(name) ?? [];
      if (device !== undefined && epoch !== undefined) this.index(device, epoch);
    }
    const newest = readdirSync(this.#directory)
      .filter((name) => /^\d{4}-\d\d-\d\d\.ndjson$/.test(name))
      .sort()
      .at(-1);
    if (newest !== undefined) this.#mend(join(this.#directory, newest));
  }

  /** Devices and epochs that something is kept of. */
  get known(): readonly { readonly device: string; readonly epoch: string }[] {
    return [...this.#indexes.keys()].map((key) => {
      const [device = '', epoch = ''] = key.split('@');
      return { device, epoch };
    });
  }

  index(device: string, epoch: string): HashIndex {
    const key = `${device}@${epoch}`;
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = new HashIndex(join(this.#directory, `${key}.sha256`));
      this.#indexes.set(key, index);
    }
    return index;
  }

  /** On stable storage, and in the index, when it resolves. `day`: as in 2026-11-24. */
  async append(events: readonly ReceivedEvent[], day: string): Promise<void> {
    if (day !== this.#day) this.#turnTo(day);
    const bytes = Buffer.concat(events.flatMap((event) => [event.bytes, Buffer.of(10)]));
    const file = this.#file as number;
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await writeAll(file, bytes, written, bytes.length - written, null);
      written += bytesWritten;
    }
    await sync(file);
    for (const { device, epoch, seq, hash } of events) this.index(device, epoch).add(seq, hash);
  }

  /** False: too much is kept apart already; it is counted only. */
  keepApart(what: Apart, line: Buffer | string): boolean {
    this.#apartBytes[what] += line.length + 1;
    if (this.#apartBytes[what] > APART_BYTES_MAX) return false;
    appendFileSync(join(this.#directory, `${what}.ndjson`), Buffer.concat([Buffer.from(line), Buffer.of(10)]));
    return true;
  }

  close(): void {
    for (const index of this.#indexes.values()) {
      index.sync();
      index.close();
    }
    if (this.#file !== undefined) closeSync(this.#file);
  }

  /** The index of what is in older files is on disk before a newer one begins: only the newest is ever mended. */
  #turnTo(day: string): void {
    for (const index of this.#indexes.values()) index.sync();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = openSync(join(this.#directory, `${day}.ndjson`), 'a', 0o640);
    this.#day = day;
    const directory = openSync(this.#directory, 'r');
    fsyncSync(directory);
    closeSync(directory);
  }

  #mend(path: string): void {
    const bytes = readFileSync(path);
    const end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) {
      const file = openSync(path, 'r+');
      ftruncateSync(file, end);
      fsyncSync(file);
      closeSync(file);
    }
    for (let at = 0; at < end; ) {
      const next = bytes.indexOf(10, at);
      const line = bytes.subarray(at, next);
      at = next + 1;
      const read = readEvent(deviceOf(line), line);
      if (read.kind !== 'event') continue;
      const { device, epoch, seq, hash } = read.event;
      const index = this.index(device, epoch);
      if (!index.had.has(seq)) index.add(seq, hash);
    }
  }
}

function deviceOf(line: Buffer): string {
  try {
    const { device } = JSON.parse(line.toString('utf8')) as { readonly device?: unknown };
    return typeof device === 'string' ? device : '';
  } catch {
    return '';
  }
}
