/**
 * The ledger's directory on node:fs. Appends go through O_DSYNC descriptors, so a resolved write is on stable storage;
 * the writes run on the thread pool, never on the event loop.
 */
import { constants, closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import type { DurableFile, FileEntry, LedgerFiles, LedgerReader, NoteFile } from '../ledger/files.ts';
import { makeDirectory } from './directories.ts';
import { lockDirectory } from './directory-lock.ts';

const ZERO_CHUNK = Buffer.alloc(64 * 1024);
const QUARANTINE_FILES_MAX = 64;

export function ledgerReader(directory: string): LedgerReader {
  return {
    list: () => listFiles(directory),
    read: (name, from, length) => readPart(join(directory, name), from, length),
  };
}

/** Whether a ledger was begun there. False where that can not be told: what opens it then says why. */
export function holdsLedger(directory: string): boolean {
  try {
    return readdirSync(directory).some((name) => name.endsWith('.seg'));
  } catch {
    return false;
  }
}

export function ledgerFiles(directory: string): LedgerFiles {
  let lock: Server | undefined;
  const at = (name: string): string => join(directory, name);
  const finished = { reads: 0, writes: 0 };
  const counted = async <T>(kind: 'reads' | 'writes', work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } finally {
      finished[kind] += 1;
    }
  };
  const reader = ledgerReader(directory);
  return {
    finished,
    list: () => counted('reads', reader.list()),
    read: (name, from, length) => counted('reads', reader.read(name, from, length)),
    lock: async () => {
      try {
        makeDirectory(directory);
      } catch (error) {
        const text = `ledger ${directory}: can not be made: ${reasonOf(error)}`;
        throw new Fault('ledger.disk', text, { cause: error });
      }
      lock = await lockDirectory(directory, 'ledger');
    },
    unlock: async () => {
      const held = lock;
      lock = undefined;
      if (held !== undefined) await new Promise<void>((done) => held.close(() => done()));
    },
    sync: (name) =>
      counted(
        'writes',
        withHandle(at(name), constants.O_RDWR, (handle) => handle.sync()),
      ),
    syncDirectory: () => counted('writes', syncDirectory(directory)),
    makeZeroed: (name, bytes) => makeZeroed(directory, name, bytes, (piece) => counted('writes', piece)),
    openDurable: async (name) => {
      const file = durableFile(await open(at(name), constants.O_RDWR | constants.O_DSYNC));
      return { write: (bytes, from) => counted('writes', file.write(bytes, from)), close: () => file.close() };
    },
    openNote: async (name) => noteFile(at(name)),
    rename: async (from, to) => {
      await counted('writes', rename(at(from), at(to)));
      await counted('writes', syncDirectory(directory));
    },
    remove: async (names) => {
      for (const name of names) await counted('writes', unlink(at(name)).catch(ignoreMissing));
    },
    quarantine: (name, bytes) => keepDamaged(join(directory, 'quarantine'), name, bytes),
    freeBytes: async () => {
      const figures = await statfs(directory);
      return figures.bavail * figures.bsize;
    },
  };
}

async function listFiles(directory: string): Promise<FileEntry[]> {
  const names = await readdir(directory, { withFileTypes: true });
  const entries: FileEntry[] = [];
  for (const name of names) {
    if (!name.isFile()) continue;
    const found = await stat(join(directory, name.name)).catch(ignoreMissing);
    if (found !== undefined) entries.push({ name: name.name, bytes: found.size, modifiedMs: found.mtimeMs });
  }
  return entries;
}

async function readPart(path: string, from: number, length: number): Promise<Buffer> {
  return withHandle(path, constants.O_RDONLY, async (handle) => {
    const bytes = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(bytes, filled, length - filled, from + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  });
}

/** Written in pieces, so that other work of the thread pool is not held up behind one large write. */
async function makeZeroed(
  directory: string,
  name: string,
  bytes: number,
  counted: (piece: Promise<void>) => Promise<void>,
): Promise<void> {
  const path = join(directory, name);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;
  await withHandle(path, flags, async (handle) => {
    for (let at = 0; at < bytes; at += ZERO_CHUNK.length) {
      await counted(writeFully(handle, ZERO_CHUNK.subarray(0, Math.min(ZERO_CHUNK.length, bytes - at)), at));
    }
    await counted(handle.sync());
  });
  await counted(syncDirectory(directory));
}

function durableFile(handle: FileHandle): DurableFile {
  return { write: (bytes, at) => writeFully(handle, bytes, at), close: () => handle.close() };
}

async function writeFully(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written);
    if (bytesWritten === 0) throw new Error(`write of ${bytes.length} bytes stopped at ${written}`);
    written += bytesWritten;
  }
}

function noteFile(path: string): NoteFile {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640);
  return {
    write: (bytes, at) => void writeSync(descriptor, bytes, 0, bytes.length, at),
    close: () => closeSync(descriptor),
  };
}

async function keepDamaged(directory: string, name: string, bytes: Buffer): Promise<boolean> {
  try {
    makeDirectory(directory);
    if ((await readdir(directory)).length >= QUARANTINE_FILES_MAX) return false;
    await writeFile(join(directory, name), bytes, { mode: 0o640 });
    return true;
  } catch {
    // The copy is for people to look at; a disk without room for it must not stop recovery.
    return false;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await withHandle(directory, constants.O_RDONLY, (handle) => handle.sync());
}

async function withHandle<T>(path: string, flags: number, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(path, flags, 0o640);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if (systemCodeOf(error) === 'ENOENT') return undefined;
  throw error;
}
