/**
 * Small documents that survive a power cut: lowdb holds the value, and an adapter of ours puts it on stable storage, since
 * lowdb's own syncs nothing (typicode/lowdb#549). A document is a file {v, sha256, data}; a new one is written beside it,
 * synced, and takes its place, and the one before stays as `.old`. Not for events: a write costs four flushes.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, Low } from 'lowdb';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { Log, StateDocument, StateStore } from '../ports.ts';
import { makeDirectory } from './directories.ts';

/** A document is small: reading and writing it whole must cost nothing. */
const DOCUMENT_BYTES_MAX = 1024 * 1024;

export function stateStore(directory: string, log: Log): StateStore {
  return {
    open: async (name, parse, initial) => {
      const adapter = new DurableAdapter(directory, name, parse, log);
      const low = new Low(adapter, initial);
      await low.read();
      return document(low, adapter, join(directory, name));
    },
  };
}

/** One write at a time, in order: what is newest when its turn comes is what is written. */
function document<Value>(low: Low<Value>, adapter: DurableAdapter<Value>, path: string): StateDocument<Value> {
  let last: Promise<void> = Promise.resolve();
  return {
    get value() {
      return low.data;
    },
    write: (value) => {
      low.data = value;
      const written = last.then(() => low.write());
      last = written.catch(() => undefined);
      return written.catch((error: unknown) => {
        throw new Fault('state.disk', `state ${path}: not written: ${reasonOf(error)}`, { cause: error });
      });
    },
    readAgain: async () => {
      if (adapter.unread !== undefined) await low.read();
      return adapter.unread === undefined ? undefined : `state ${path}: can not be read: ${adapter.unread}`;
    },
  };
}

class DurableAdapter<Value> implements Adapter<Value> {
  readonly #directory: string;
  readonly #path: string;
  readonly #parse: (found: unknown) => Value | undefined;
  readonly #log: Log;
  /** Why the disk gives no copy, though there is one. */
  unread: string | undefined;

  constructor(directory: string, name: string, parse: (found: unknown) => Value | undefined, log: Log) {
    this.#directory = directory;
    this.#path = join(directory, `${name}.json`);
    this.#parse = parse;
    this.#log = log;
  }

  /** The newest sound copy; null when there is none, or none that can be read. Never rejects. */
  async read(): Promise<Value | null> {
    this.unread = undefined;
    for (const path of [this.#path, `${this.#path}.old`]) {
      try {
        const found = await this.#readCopy(path);
        if (found !== undefined) {
          this.unread = undefined;
          return found;
        }
        throw new Error('is not such a document');
      } catch (error) {
        const code = systemCodeOf(error);
        if (code === 'ENOENT') continue;
        if (code !== undefined) this.unread ??= reasonOf(error);
        await this.#report(path, error);
      }
    }
    return null;
  }

  async #readCopy(path: string): Promise<Value | undefined> {
    try {
      // What a kill left in the page cache only, a power cut would take back after we had acted on it.
      await syncPath(path, constants.O_RDWR);
      await syncPath(this.#directory, constants.O_RDONLY);
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') throw error;
      // On a file system that is read-only what is there is still the best that is known, and much better than nothing.
      this.#log.warn('state document: not synced before it is read', { path, reason: reasonOf(error) });
    }
    const { size } = await stat(path);
    if (size > DOCUMENT_BYTES_MAX) throw new Error(`has ${size} bytes, at most ${DOCUMENT_BYTES_MAX}`);
    return this.#parse(dataOf(await readFile(path)));
  }

  async write(value: Value): Promise<void> {
    const fresh = `${this.#path}.new`;
    makeDirectory(this.#directory);
    const file = await open(fresh, 'w', 0o640);
    try {
      const bytes = encoded(value);
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, 0);
      if (bytesWritten !== bytes.length) throw new Error(`write of ${bytes.length} bytes stopped at ${bytesWritten}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await unlink(`${this.#path}.old`).catch(ignoreMissing);
    await link(this.#path, `${this.#path}.old`).catch(ignoreMissing);
    await rename(fresh, this.#path);
    await syncPath(this.#directory, constants.O_RDONLY);
    this.unread = undefined;
  }

  /** What is damaged is kept for whoever wants to know, one copy; what only can not be read now stays as it is. */
  async #report(path: string, error: unknown): Promise<void> {
    const damaged = systemCodeOf(error) === undefined;
    if (damaged) await rename(path, `${path}.bad`).catch(() => undefined);
    this.#log.error('state document can not be read; an older copy or the default counts', {
      path,
      kept_as: damaged ? `${path}.bad` : undefined,
      reason: reasonOf(error),
    });
  }
}

function encoded(value: unknown): Buffer {
  const data = JSON.stringify(value);
  const bytes = Buffer.from(`{"v":1,"sha256":"${digestOf(data)}","data":${data}}\n`, 'utf8');
  if (bytes.length > DOCUMENT_BYTES_MAX) throw new Error(`${bytes.length} bytes, at most ${DOCUMENT_BYTES_MAX}`);
  return bytes;
}

/** Throws when the bytes are not what was written. */
function dataOf(bytes: Buffer): unknown {
  const found = /^\{"v":1,"sha256":"([\w-]{43})","data":(.*)\}\n$/s.exec(bytes.toString('utf8'));
  const [, digest, data = ''] = found ?? [];
  if (digest === undefined) throw new Error('is not a state document of version 1, or was cut off');
  if (digest !== digestOf(data)) throw new Error('does not fit its own sha256');
  return JSON.parse(data) as unknown;
}

function digestOf(data: string): string {
  return createHash('sha256').update(data).digest('base64url');
}

async function syncPath(path: string, flags: number): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCodeOf(error) !== 'ENOENT') throw error;
}
