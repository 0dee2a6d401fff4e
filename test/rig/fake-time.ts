/**
 * A wall clock that a test sets, for real processes: libfaketime, from Debian's package faketime. What waits uses the
 * monotonic clock, which stays the kernel's. Time runs on from what was set.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const NO_FAKE_TIME = 'libfaketime is not there (Debian: apt install faketime)';

export interface FakeTime {
  /** For the process whose clock this is. */
  readonly env: Readonly<Record<string, string>>;
  /** The wall clock of those processes says `ms` now, and runs on. */
  readonly set: (ms: number) => Promise<void>;
  /** The wall clock is the machine's again. */
  readonly real: () => Promise<void>;
}

/** Installed, or unpacked in this clone; undefined: it is not there. */
function findLibrary(): string | undefined {
  const roots = ['/usr/lib', join(process.cwd(), '.local/debian/usr/lib')].filter((root) => existsSync(root));
  return roots
    .flatMap((root) => readdirSync(root).map((machine) => join(root, machine, 'faketime/libfaketimeMT.so.1')))
    .find((path) => existsSync(path));
}

/** `file` in a directory of the test's. Undefined: libfaketime is not there. */
export async function fakeTime(file: string): Promise<FakeTime | undefined> {
  const library = findLibrary();
  if (library === undefined) return undefined;
  // By rename: a process that looks in between must not find half a line.
  const put = async (offset: string): Promise<void> => {
    await writeFile(`${file}.new`, `${offset}\n`);
    await rename(`${file}.new`, file);
  };
  await put('+0');
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set: async (ms) => {
      const seconds = (ms - Date.now()) / 1000;
      await put(`${seconds < 0 ? '' : '+'}${seconds.toFixed(3)}`);
    },
    real: () => put('+0'),
  };
}
