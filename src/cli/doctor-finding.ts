/**
 * What `fieldpost doctor` finds out about one thing: a state, what was found and, where it is not as it should be, what to
 * do. A finding never throws: a look that fails or takes too long is a finding too.
 */
import { reasonOf } from '../fault.ts';

export type FindingState = 'ok' | 'warning' | 'failed' | 'skipped';

export interface Finding {
  readonly name: string;
  readonly state: FindingState;
  /** What was seen; of a skipped one, why it was skipped. */
  readonly found: string;
  readonly todo?: string;
}

/** Findings about one part of the data path. */
export interface PartFindings {
  /** `configuration`, `clock`, `sensor <id>`, `disk`, `broker <url>`, `service`. */
  readonly part: string;
  readonly findings: readonly Finding[];
}

export function ok(name: string, found: string): Finding {
  return { name, state: 'ok', found };
}

/** It works, but not for long, not for everybody, or not as well as it should. */
export function warning(name: string, found: string, todo: string): Finding {
  return { name, state: 'warning', found, todo };
}

export function failed(name: string, found: string, todo: string): Finding {
  return { name, state: 'failed', found, todo };
}

export function skipped(name: string, why: string): Finding {
  return { name, state: 'skipped', found: why };
}

/** Rejects when `wanted` does, or when `ms` have passed; what comes of `wanted` later is dropped. */
export async function within<Value>(wanted: Promise<Value>, ms: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A part that breaks down is told as such, and the other parts go on. */
export async function orBroken(name: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [failed(name, `could not be looked at: ${reasonOf(error)}`, 'mend what the text names, then run it again')];
  }
}
