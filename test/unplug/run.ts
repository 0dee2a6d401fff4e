/** The trials of a run, their rows, and what is wrong with them. */
import type { Random } from '../../src/workbench/random.ts';
import { controlTrial } from './control.ts';
import { CPU_MAX, SEEN_MS, SITUATIONS, type Situation } from './situations.ts';
import { UnplugBench } from './trial.ts';

export interface Row {
  readonly situation: string;
  readonly trials: number;
  /** Within a second. */
  readonly seen: number;
  /** Of those that were seen at all, milliseconds. */
  readonly slowestMs: number;
  /** Largest share of a core afterwards. */
  readonly cpuAfter: number;
  readonly torn: number;
  readonly stray: number;
}

/** Of the control; it has no line to open again. */
export type ControlRow = Omit<Row, 'torn' | 'stray'>;

export interface RunOptions {
  readonly random: Random;
  /** Time after each trial over which the processor time is taken, milliseconds. */
  readonly afterMs: number;
  readonly onTrial?: () => void;
}

/** `trials` of all, the situations in turns, so that each is met in every state the one before leaves. */
export async function runTrials(trials: number, options: RunOptions): Promise<Row[]> {
  const bench = new UnplugBench(options);
  const taken = SITUATIONS.map((situation) => ({
    situation,
    results: [] as Awaited<ReturnType<UnplugBench['run']>>[],
  }));
  try {
    for (let trial = 0; trial < trials; trial += 1) {
      const turn = taken[trial % taken.length];
      turn?.results.push(await bench.run(turn.situation));
      options.onTrial?.();
    }
  } finally {
    await bench.close();
  }
  return taken.map(({ situation, results }) => ({
    situation: situation.name,
    trials: results.length,
    ...seenOf(results),
    torn: sum(results.map(({ torn }) => torn)),
    stray: sum(results.map(({ stray }) => stray)),
  }));
}

export async function runControl(trialsEach: number, options: RunOptions): Promise<ControlRow[]> {
  const rows: ControlRow[] = [];
  for (const situation of SITUATIONS) rows.push(await controlRow(situation, trialsEach, options));
  return rows;
}

async function controlRow(situation: Situation, trials: number, options: RunOptions): Promise<ControlRow> {
  const results: Awaited<ReturnType<typeof controlTrial>>[] = [];
  for (let trial = 0; trial < trials; trial += 1) {
    results.push(await controlTrial(situation, options.random, options.afterMs));
    options.onTrial?.();
  }
  return { situation: situation.name, trials, ...seenOf(results) };
}

interface Seen {
  /** Undefined: never. */
  readonly seenMs: number | undefined;
  readonly cpu: number;
}

function seenOf(results: readonly Seen[]): Pick<Row, 'seen' | 'slowestMs' | 'cpuAfter'> {
  const tookMs = results.flatMap(({ seenMs }) => seenMs ?? []);
  return {
    seen: tookMs.filter((ms) => ms < SEEN_MS).length,
    slowestMs: Math.max(0, ...tookMs),
    cpuAfter: Math.max(0, ...results.map(({ cpu }) => cpu)),
  };
}

/** One sentence for each row that does not hold. */
export function faultsOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ situation, trials, seen, cpuAfter, torn, stray }) => {
    const faults: string[] = [];
    if (seen < trials) faults.push(`${trials - seen} of ${trials} were not seen within ${SEEN_MS} ms`);
    if (cpuAfter > CPU_MAX) faults.push(`${(cpuAfter * 100).toFixed(0)} % of a core afterwards`);
    if (torn > 0) faults.push(`${torn} frames torn`);
    if (stray > 0) faults.push(`${stray} bytes or writes for the old device strayed`);
    return faults.map((fault) => `${situation}: ${fault}`);
  });
}

/** Whether the control failed, as it must. */
export function isBlind(rows: readonly ControlRow[]): boolean {
  return rows.every(({ trials, seen, cpuAfter }) => seen === trials && cpuAfter <= CPU_MAX);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
