/**
 * `npm run config-trial -- --runs N --seed S [--json]`: N changes of the configuration by command that must not hold (or
 * must), with kill -9 at random moments, on real brokers. Exit status 1 when a device was not where it had to be in time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freshSeed } from '../../src/workbench/random.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { runTrials, type TrialRow } from './run.ts';
import { SITUATIONS } from './situations.ts';
import { setTrialStage } from './stage.ts';

const DEVICES = ['pump-1', 'pump-2', 'pump-3', 'pump-4', 'pump-5', 'pump-6'];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(freshSeed()) },
      json: { type: 'boolean', default: false },
    },
  });
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(seed)) {
    process.stderr.write(`--runs and --seed: must be whole numbers, got "${values.runs}" and "${values.seed}"\n`);
    return 64;
  }
  process.stderr.write(`config-trial: ${runs} changes, seed ${seed}\n`);
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-trial-'));
  const stage = await setTrialStage(directory, DEVICES.slice(0, Math.min(runs, DEVICES.length)), builtProgram());
  let rows: readonly TrialRow[];
  let ended = 0;
  try {
    rows = await runTrials({
      stage,
      runs,
      seed,
      progress: ({ run, situation, fault }) => {
        ended += 1;
        if (fault !== undefined) process.stderr.write(`run ${run}, ${situation}: ${fault}\n`);
        if (ended % 10 === 0 || ended === runs) process.stderr.write(`${ended}/${runs} changes\n`);
      },
    });
  } finally {
    await stage.close();
    await rm(directory, { recursive: true, force: true });
  }
  const failed = rows.filter(({ fault }) => fault !== undefined).length;
  (values.json ? process.stderr : process.stdout).write(table(rows));
  if (values.json) process.stdout.write(`${JSON.stringify({ runs, seed, failed, rows })}\n`);
  return failed === 0 ? 0 : 1;
}

function table(rows: readonly TrialRow[]): string {
  const lines = SITUATIONS.flatMap(({ name }) => {
    const of = rows.filter(({ situation }) => situation === name);
    if (of.length === 0) return [];
    const right = of.filter(({ fault }) => fault === undefined).length;
    const kills = of.reduce((sum, row) => sum + row.kills, 0);
    const worst = Math.max(...of.map(({ tookMs }) => tookMs)) / 1000;
    return [
      `${name.padEnd(40)} ${`${right} of ${of.length}`.padStart(9)} ${String(kills).padStart(6)} ${worst.toFixed(1).padStart(9)}`,
    ];
  });
  const right = rows.filter(({ fault }) => fault === undefined).length;
  const head = `${''.padEnd(40)}     right  kills  longest s\n`;
  return `${head}${lines.join('\n')}\n${'all'.padEnd(40)} ${`${right} of ${rows.length}`.padStart(9)}\n`;
}

process.exitCode = await main();
