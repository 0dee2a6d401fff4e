/**
 * `status.json`: what the status would say, for whoever stands at the device while it has no broker. In the service's
 * runtime directory where systemd gives one (memory, no wear), else beside the small state. Replaced whole, not synced:
 * after a power cut it is written anew anyway.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory } from './directories.ts';
import { reasonOf } from '../fault.ts';
import type { Log } from '../ports.ts';

export function statusFile(directory: string, log: Log): (document: Readonly<Record<string, unknown>>) => void {
  const path = join(directory, 'status.json');
  let failing = false;
  return (document) => {
    try {
      makeDirectory(directory);
      writeFileSync(`${path}.new`, `${JSON.stringify(document, undefined, 1)}\n`, { mode: 0o640 });
      renameSync(`${path}.new`, path);
      failing = false;
    } catch (error) {
      if (!failing) log.warn('status.json could not be written', { path, reason: reasonOf(error) });
      failing = true;
    }
  };
}
