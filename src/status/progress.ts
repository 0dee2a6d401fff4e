/**
 * Whether the agent gets on with its work. Pure: one look after another at what there is to do. Work that is there and
 * whose mark has not changed over looks of `limitMs` in all is stuck. Time passes by looks, each worth a bounded step, so that
 * a machine that slept or a process that was stopped is not taken for one that hangs.
 */
import type { Work } from '../ports.ts';

export interface Progress {
  /** By the work's name. */
  readonly seen: ReadonlyMap<string, { readonly mark: string; readonly forMs: number }>;
}

export interface StuckWork {
  readonly name: string;
  readonly forMs: number;
}

export interface Look {
  readonly progress: Progress;
  readonly stuck: readonly StuckWork[];
}

export const NO_PROGRESS: Progress = { seen: new Map() };

export function lookAt(before: Progress, works: readonly Work[], stepMs: number, limitMs: number): Look {
  const seen = new Map<string, { readonly mark: string; readonly forMs: number }>();
  const stuck: StuckWork[] = [];
  for (const { name, mark } of works) {
    if (mark === undefined) continue;
    const old = before.seen.get(name);
    const forMs = old?.mark === mark ? old.forMs + stepMs : 0;
    seen.set(name, { mark, forMs });
    if (forMs >= limitMs) stuck.push({ name, forMs });
  }
  return { progress: { seen }, stuck };
}
