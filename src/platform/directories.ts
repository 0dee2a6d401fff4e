/** Makes directories. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes `path` and what is missing above it. Throws the system's error. Not with mkdir's own `recursive`: where a file
 * system makes no directories at all (/proc), Node.js 20 asks it again for ever, on a whole core.
 */
export function makeDirectory(path: string, mode = 0o750): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode });
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
