/**
 * The directory of the remote configuration on a real disk. What root makes in it (`fieldpost config drop` by hand) belongs
 * to whoever owns the directory, so that the agent can still read it.
 */
import { constants, existsSync } from 'node:fs';
import { type FileHandle, lchown, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../fault.ts';
import type { ConfigDisk } from '../remote/disk.ts';
import { makeDirectory } from './directories.ts';

/** Nothing of ours is as large. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

export function configDisk(directory: string): ConfigDisk {
  const path = (name: string): string => join(directory, name);
  return {
    read: async (name) => {
      try {
        if ((await stat(path(name))).size > FILE_BYTES_MAX) return Buffer.alloc(0);
        return await readFile(path(name));
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    list: async () => {
      try {
        return await readdir(directory);
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT') return [];
        throw error;
      }
    },
    write: async (name, bytes) => {
      await prepare(directory);
      await remove(path(name));
      // Never through a link that somebody else has put there: this may be root, and the directory the agent's.
      const file = await open(path(name), 'wx', 0o640);
      try {
        await file.writeFile(bytes);
        await giveAway(file, directory);
      } finally {
        await file.close();
      }
    },
    sync: (name) => syncPath(path(name), constants.O_RDWR),
    syncNames: () => syncPath(directory, constants.O_RDONLY),
    rename: (from, to) => rename(path(from), path(to)),
    remove: (name) => remove(path(name)),
  };
}

async function prepare(directory: string): Promise<void> {
  if (existsSync(directory)) return;
  makeDirectory(directory);
  await giveAway(directory, dirname(directory));
  // What lies in it is only as safe as its own name.
  await syncPath(dirname(directory), constants.O_RDONLY);
}

/** What root makes belongs to whoever owns the directory it is made in. */
async function giveAway(made: string | FileHandle, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  if (typeof made === 'string') await lchown(made, uid, gid);
  else await made.chown(uid, gid);
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  });
}

async function syncPath(path: string, flags: number): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
