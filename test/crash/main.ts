/**
 * `npm run crash -- --runs N --seed S [--json] [--only NAME,...] [--control-runs N]`: the crash matrix. Breaks the built
 * agent, its link, its disk, its clock and its broker some N times in all, one row for each kind of fault, and bills what
 * arrived; then the controls. A table, or with `--json` one JSON document on the last line. Exit status 1 when anything was
 * lost or doubled, or when a control was not caught.
 */
import { parseArgs } from 'node:util';
import { reasonOf } from '../../src/fault.ts';
import { freshSeed } from '../../src/workbench/random.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { CONTROLS, type ControlResult, runControl } from './controls.ts';
import { ROWS } from './matrix.ts';
import { controlFault, faultOf, json, type RanRow, table } from './report.ts';
import type { Row, RowContext } from './row.ts';

const PROGRESS_MS = 5000;

interface Arguments {
  readonly runs: number;
  readonly seed: number;
  readonly json: boolean;
  readonly rows: readonly Row[];
  /** With --only each row has all of the runs. */
  readonly whole: boolean;
  readonly controlRuns: number;
}

async function main(): Promise<number> {
  const given = readArguments(process.argv.slice(2));
  if (typeof given === 'string') {
    process.stderr.write(`${given}\n`);
    return 64;
  }
  const { runs, seed, whole, controlRuns } = given;
  const startedMs = performance.now();
  process.stderr.write(`crash matrix: ${runs} runs, seed ${seed}\n`);
  const rows: RanRow[] = [];
  const broken: string[] = [];
  for (const row of given.rows) {
    const share = whole ? runs : Math.max(2, Math.round(row.share * runs));
    try {
      rows.push({ row, result: await row.run(contextOf(row.name, share, seed)) });
    } catch (error) {
      // The row's own end: the agent ended by itself, or what must happen did not.
      broken.push(`${row.name}: ${reasonOf(error)}`);
    }
  }
  const controls: ControlResult[] = [];
  for (const control of controlRuns === 0 ? [] : CONTROLS) {
    try {
      controls.push(await runControl(control, contextOf(`control: ${control.name}`, controlRuns, seed)));
    } catch (error) {
      broken.push(`control ${control.name}: ${reasonOf(error)}`);
    }
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  (given.json ? process.stderr : process.stdout).write(table(rows, controls));
  const faults = [
    ...broken,
    ...rows.flatMap((ran) => named(ran.row.name, faultOf(ran))),
    ...controls.flatMap((one) => controlFault(one) ?? []),
  ];
  for (const { result } of rows) {
    if (!('skipped' in result)) for (const line of result.bill.findings) process.stderr.write(`${line}\n`);
  }
  for (const fault of faults) process.stderr.write(`FAILED: ${fault}\n`);
  if (given.json) process.stdout.write(`${json({ runs, seed, seconds, rows, controls, faults })}\n`);
  return faults.length === 0 ? 0 : 1;
}

function named(name: string, fault: string | undefined): string[] {
  return fault === undefined ? [] : [`${name}: ${fault}`];
}

function contextOf(name: string, runs: number, seed: number): RowContext {
  let saidMs = 0;
  const progress = (done: number, accepted: number): void => {
    if (performance.now() - saidMs < PROGRESS_MS && done !== runs) return;
    saidMs = performance.now();
    process.stderr.write(`${name}: ${done}/${runs}, ${accepted} accepted\n`);
  };
  return { runs, seed, program: builtProgram(), progress };
}

/** The arguments, or what is wrong with them. */
function readArguments(args: string[]): Arguments | string {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(freshSeed()) },
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      'control-runs': { type: 'string', default: '10' },
    },
  });
  const [runs, seed, controlRuns] = [values.runs, values.seed, values['control-runs']].map(Number);
  if (!isWhole(runs) || runs < 1) return `--runs: must be a whole number from 1, got "${values.runs}"`;
  if (!isWhole(seed)) return `--seed: must be a whole number, got "${values.seed}"`;
  if (!isWhole(controlRuns)) return `--control-runs: must be a whole number, got "${values['control-runs']}"`;
  const names = values.only?.split(',') ?? [];
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name));
  if (unknown !== undefined) {
    return `--only: must be one or more of ${ROWS.map(({ name }) => name).join(',')}, got "${unknown}"`;
  }
  const rows = names.length === 0 ? ROWS : ROWS.filter(({ name }) => names.includes(name));
  return { runs, seed, controlRuns, json: values.json, rows, whole: names.length > 0 };
}

function isWhole(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0;
}

process.exitCode = await main();
