/**
 * `npm run presence -- --runs N --seed S [--json]`: N faults (kills, stops, cuts, restarts of the broker, takeovers by a
 * second agent of the same identity), and how long a reader of the status was wrong at a stretch. Exit status 1 when one
 * that follows the contract was wrong for longer than `valid_for`, or the naive one, the control, was not.
 */
import { parseArgs } from 'node:util';
import { freshSeed } from '../../src/workbench/random.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { FAULTS, type PresenceResult, runPresence, VALID_FOR_MS } from './run.ts';

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
  process.stderr.write(`presence: ${runs} faults, seed ${seed}\n`);
  const progress = (at: number, name: string): void => {
    if (at % 10 === 0 || at === runs) process.stderr.write(`${at}/${runs} faults, now: ${name}\n`);
  };
  const result = await runPresence({ runs, seed, program: builtProgram(), progress });
  const failed =
    result.worstMs > VALID_FOR_MS || (result.faults['both die'] > 0 && result.naiveWorstMs <= VALID_FOR_MS);
  (values.json ? process.stderr : process.stdout).write(table(result));
  if (values.json) process.stdout.write(`${JSON.stringify({ runs, seed, validForMs: VALID_FOR_MS, ...result })}\n`);
  if (failed) process.stderr.write('FAILED: a reader was wrong for too long, or the control was not\n');
  return failed ? 1 : 0;
}

function table(result: PresenceResult): string {
  const faults = FAULTS.map((fault) => `${result.faults[fault]} ${fault}`).join(', ');
  return [
    `faults               ${faults}`,
    `statuses seen        ${result.statuses} in ${result.seconds} s`,
    `valid_for            ${VALID_FOR_MS} ms`,
    `contract reader      wrong for ${result.worstMs} ms at most, ${result.wrongStretches} times for more than 1 s`,
    `naive reader         wrong for ${result.naiveWorstMs} ms at most`,
    '',
  ].join('\n');
}

process.exitCode = await main();
