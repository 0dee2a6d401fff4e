/** Temporary directories of one run: made under the system's own, removed with everything in them. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory {
  readonly path: string;
  readonly remove: () => Promise<void>;
  /** For the `exit` handler of a process, where nothing asynchronous runs any more. */
  readonly removeNow: () => void;
}

export async function makeTemporaryDirectory(name: string): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), `fieldpost-${name}-`));
  // A killed process may still be dying with a file open: rm then finds a directory that is not empty, and tries again.
  const how = { recursive: true, force: true, maxRetries: 5, retryDelay: 50 };
  return { path, remove: () => rm(path, how), removeNow: () => rmSync(path, how) };
}
