/**
 * A document that is there and that the disk does not give, for root too: links to themselves in the place of its files (ELOOP).
 * As on a disk that fails, a write could still put something in their place.
 */
import { lstat, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface Unreadable {
  /** Nothing was put in its place. */
  readonly isUntouched: () => Promise<boolean>;
  /** The disk gives it again. */
  readonly restore: () => Promise<void>;
}

export async function makeUnreadable(directory: string, name: string): Promise<Unreadable> {
  const paths = [join(directory, `${name}.json`), join(directory, `${name}.json.old`)];
  for (const path of paths) {
    await rename(path, `${path}.kept`).catch(() => undefined);
    await symlink(path, path);
  }
  return {
    isUntouched: async () => (await Promise.all(paths.map((path) => lstat(path)))).every((one) => one.isSymbolicLink()),
    restore: async () => {
      for (const path of paths) {
        await rm(path);
        await rename(`${path}.kept`, path).catch(() => undefined);
      }
    },
  };
}
