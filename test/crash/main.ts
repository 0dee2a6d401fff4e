/**
 * `npm run crash -- --runs N --seed S [--json] [--protocol 5|4] [--broker-faults none|term|kill]`: the crash matrix. Kills
 * the built agent N times at random moments and bills what arrived; then the controls. A table, or with `--json` one JSON
 * document on the last line. Exit status 1 when anything was lost or doubled, or when a control was not caught.
 */
import { parseArgs } from 'node:util';
import { freshSeed } from '../../src/workbench/random.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { type ControlResult, CONTROLS, runControl } from './controls.ts';
import type { BrokerFaults } from './plan.ts';
import { duplicatesOf, faultOf, type Row, table } from './report.ts';
import { type CrashOptions, type CrashResult, runCrash } from './run.ts';

const SALES_PER_SECOND = 100;

interface Arguments {
  readonly runs: number;
  readonly seed: number;
  readonly json: boolean;
  readonly protocol: 4 | 5;
  readonly brokerFaults: BrokerFaults;
  readonly controlRuns: number;
}

async function main(): Promise<number> {
  const given = readArguments(process.argv.slice(2));
  if (typeof given === 'string') {
    process.stderr.write(`${given}\n`);
    return 64;
  }
  const { runs, seed, protocol, brokerFaults } = given;
  process.stderr.write(`crash matrix: ${runs} kills, seed ${seed}, MQTT ${protocol}, broker faults ${brokerFaults}\n`);
  const options = { runs, seed, protocol, brokerFaults, salesPerSecond: SALES_PER_SECOND };
  const result = await runCrash({ ...options, program: builtProgram(), progress: progressOf('fieldpost', runs) });
  const controls = await runControls({ ...options, runs: given.controlRuns });
  const name = `fieldpost, MQTT ${protocol === 5 ? '5' : '3.1.1'}, broker ${brokerFaults === 'none' ? 'up' : brokerFaults}`;
  const rows: Row[] = [
    { name, result },
    ...controls.map(({ control, result: of }) => ({ name: `control: ${control.name}`, result: of })),
  ];
  (given.json ? process.stderr : process.stdout).write(table(rows));
  const faults = [...new Set([faultOf(result, brokerFaults), ...controls.map(blindness)])].filter(
    (f) => f !== undefined,
  );
  for (const line of [...result.bill.findings, ...faults.map((fault) => `FAILED: ${fault}`)]) {
    process.stderr.write(`${line}\n`);
  }
  if (given.json) process.stdout.write(`${json(given, result, controls, faults)}\n`);
  return faults.length === 0 ? 0 : 1;
}

async function runControls(options: Omit<CrashOptions, 'program'>): Promise<ControlResult[]> {
  const results: ControlResult[] = [];
  if (options.runs === 0) return results;
  for (const control of CONTROLS) {
    results.push(await runControl(control, { ...options, progress: progressOf(control.name, options.runs) }));
  }
  return results;
}

function blindness({ control, seen }: ControlResult): string | undefined {
  return seen ? undefined : `the control "${control.name}" shows no ${control.shows}: the matrix is blind`;
}

function json(
  given: Arguments,
  result: CrashResult,
  controls: readonly ControlResult[],
  faults: readonly string[],
): string {
  const { bill } = result;
  return JSON.stringify({
    runs: given.runs,
    lost: bill.lost,
    duplicates: duplicatesOf(result, given.brokerFaults),
    controls: controls.map(({ control, result: of }) => ({
      name: control.name,
      lost: of.bill.lost,
      duplicates: of.bill.duplicates,
    })),
    seed: given.seed,
    protocol: given.protocol,
    brokerFaults: given.brokerFaults,
    kills: result.kills,
    busyKills: result.busyKills,
    cuts: result.cuts,
    brokerRestarts: result.brokerFaults,
    accepted: bill.accepted,
    received: bill.received,
    repeats: bill.repeats,
    billedTwice: bill.duplicates,
    orderBreaks: bill.orderBreaks,
    gaps: bill.gaps,
    faults,
  });
}

function progressOf(name: string, runs: number): (life: number, accepted: number) => void {
  return (life, accepted) => {
    if (life % 10 === 0 || life === runs)
      process.stderr.write(`${name}: ${life}/${runs} kills, ${accepted} accepted\n`);
  };
}

/** The arguments, or what is wrong with them. */
function readArguments(args: string[]): Arguments | string {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(freshSeed()) },
      json: { type: 'boolean', default: false },
      protocol: { type: 'string', default: '5' },
      'broker-faults': { type: 'string', default: 'none' },
      'control-runs': { type: 'string', default: '10' },
    },
  });
  const [runs, seed, controlRuns] = [values.runs, values.seed, values['control-runs']].map(Number);
  if (!isWhole(runs) || runs < 1) return `--runs: must be a whole number from 1, got "${values.runs}"`;
  if (!isWhole(seed)) return `--seed: must be a whole number, got "${values.seed}"`;
  if (!isWhole(controlRuns)) return `--control-runs: must be a whole number, got "${values['control-runs']}"`;
  if (values.protocol !== '5' && values.protocol !== '4') return `--protocol: must be 5 or 4, got "${values.protocol}"`;
  const brokerFaults = values['broker-faults'];
  if (brokerFaults !== 'none' && brokerFaults !== 'term' && brokerFaults !== 'kill') {
    return `--broker-faults: must be none, term or kill, got "${brokerFaults}"`;
  }
  return { runs, seed, controlRuns, json: values.json, protocol: values.protocol === '5' ? 5 : 4, brokerFaults };
}

function isWhole(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0;
}

process.exitCode = await main();
