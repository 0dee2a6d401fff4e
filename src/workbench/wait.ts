/** Waiting for something seen, with a deadline: the only way the workbench and the tests wait. */
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 10;

export class WaitedInVain extends Error {
  readonly waitedMs: number;

  constructor(what: string, waitedMs: number) {
    super(`waited ${waitedMs} ms in vain for ${what}`);
    this.name = 'WaitedInVain';
    this.waitedMs = waitedMs;
  }
}

/** The first truthy answer of `predicate`. Throws WaitedInVain, which says what was waited for, at the deadline. */
export async function until<Seen>(
  predicate: () => Seen | Promise<Seen>,
  what: string | (() => string),
  deadlineMs: number,
): Promise<NonNullable<Seen>> {
  const startedMs = performance.now();
  for (;;) {
    const seen = await predicate();
    if (seen) return seen;
    if (performance.now() - startedMs >= deadlineMs) {
      throw new WaitedInVain(typeof what === 'string' ? what : what(), deadlineMs);
    }
    await pause(POLL_MS);
  }
}

/** Resolves true when `wanted` does within the deadline, false otherwise. */
export async function within(wanted: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  const stop = new AbortController();
  const late = pause(deadlineMs, false, { signal: stop.signal, ref: true }).catch(() => false);
  const seen = await Promise.race([wanted.then(() => true), late]);
  stop.abort();
  return seen;
}
