/** What the kernel says of a process: memory, threads, and what its open descriptors are. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Looks at descriptors, and the time between them: what is open for a moment only is not there at the emptiest. */
const LOOKS = 20;
const LOOK_MS = 75;

export interface ProcessFigures {
  readonly rssMib: number;
  readonly privateDirtyMib: number;
  readonly descriptors: number;
  readonly threads: number;
}

export function processFigures(pid: number): ProcessFigures {
  return {
    rssMib: kib(`/proc/${pid}/smaps_rollup`, 'Rss') / 1024,
    privateDirtyMib: kib(`/proc/${pid}/smaps_rollup`, 'Private_Dirty') / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

/** What the descriptors of a process at rest lead to, such as `socket` or a file's path: the emptiest of many looks. */
export async function descriptorsAtRest(pid: number): Promise<readonly string[]> {
  let fewest = descriptors(pid);
  for (let look = 1; look < LOOKS; look += 1) {
    await pause(LOOK_MS);
    const now = descriptors(pid);
    if (now.length < fewest.length) fewest = now;
  }
  return fewest.toSorted();
}

function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((entry) => {
    try {
      // Sockets and pipes are numbered, and so are the ledger's segments; what counts is their kind.
      return [basename(readlinkSync(`/proc/${pid}/fd/${entry}`).replace(/:?\[?\d+\]?/g, ''))];
    } catch {
      return []; // closed in between
    }
  });
}

function kib(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return Number(found);
}
