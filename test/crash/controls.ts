/** The controls: naive agents under the same faults. A matrix in which they lose and double nothing proves nothing. */
import { join } from 'node:path';
import type { CrashOptions, CrashResult } from './run.ts';
import { runCrash } from './run.ts';

/** What a naive agent has not sent by then it has lost. */
const DRAIN_MS = 5000;

export interface Control {
  readonly name: string;
  /** What this one must be seen to do. */
  readonly shows: 'lost' | 'duplicates';
  readonly program: readonly [string, ...string[]];
}

export const CONTROLS: readonly Control[] = [
  { name: 'acknowledged before it is on disk', shows: 'lost', program: naive('memory') },
  { name: 'sent again under new numbers', shows: 'duplicates', program: naive('renumber') },
];

export interface ControlResult {
  readonly control: Control;
  readonly result: CrashResult;
  /** The fault that it was there to show was seen. */
  readonly seen: boolean;
}

export async function runControl(control: Control, options: Omit<CrashOptions, 'program'>): Promise<ControlResult> {
  const result = await runCrash({ ...options, drainMs: DRAIN_MS, program: control.program });
  return { control, result, seen: result.bill[control.shows] > 0 };
}

function naive(kind: 'memory' | 'renumber'): readonly [string, ...string[]] {
  const tsx = import.meta.resolve('tsx');
  return [process.execPath, '--import', tsx, join(import.meta.dirname, 'naive-agent.ts'), kind];
}
