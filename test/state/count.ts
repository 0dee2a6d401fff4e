/** The document of the state tests. */
import type { Log } from '../../src/ports.ts';

export interface Count {
  readonly count: number;
  readonly filler: string;
}

export function countOf(found: unknown): Count | undefined {
  const { count, filler } = (found ?? {}) as Partial<Count>;
  return typeof count === 'number' && typeof filler === 'string' ? { count, filler } : undefined;
}

const nothing = (): void => undefined;
export const NO_LOG: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
