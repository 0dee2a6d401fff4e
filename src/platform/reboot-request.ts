/**
 * Asks for a reboot without any privilege: a file in the service's runtime directory, which fieldpost-reboot.path waits for and
 * whose service takes it away before it acts. The directory is in memory, so no request outlives the boot it was made in.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RebootRequest } from '../ports.ts';

/** `directory`: as systemd gives it; undefined where the agent was started in another way. */
export function rebootRequest(directory: string | undefined): RebootRequest | undefined {
  if (directory === undefined) return undefined;
  const path = join(directory, 'reboot');
  return {
    // Whole from its first moment: the path unit looks as soon as it is there.
    make: (id) => {
      writeFileSync(`${path}.new`, `${id}\n`, { mode: 0o640 });
      renameSync(`${path}.new`, path);
    },
    isThere: () => existsSync(path),
    withdraw: () => rmSync(path, { force: true }),
  };
}
