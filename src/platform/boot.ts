/** This boot of the machine, from the kernel. On a system without /proc both figures are this process's own. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Boot } from '../ports.ts';

export function systemBoot(): Boot {
  const id = readOr('/proc/sys/kernel/random/boot_id', randomUUID());
  const uptimeAtStart = Number(readOr('/proc/uptime', '0').split(' ')[0]) * 1000;
  const startedAt = performance.now();
  return { id, uptimeMs: () => uptimeAtStart + performance.now() - startedAt };
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}

/** Milliseconds since the boot, sleep included (CLOCK_BOOTTIME), read anew: for a deadline that outlives the process. */
export function bootTimeMs(): number {
  return Number(readOr('/proc/uptime', String(performance.now() / 1000)).split(' ')[0]) * 1000;
}
