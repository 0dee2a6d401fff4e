/**
 * `npm run soak -- --minutes N --seed S [--rate R] [--plant memory|descriptors] [--json]`: the agent at work under load and
 * faults. Exit status 1 when an accepted sale was lost or billed twice, or descriptors were left open. Whether memory grew
 * is printed as met, missed or not told: that depends on the machine's quiet. `--plant` makes the agent leak, as a control.
 */
import { parseArgs } from 'node:util';
import { freshSeed } from '../../src/workbench/random.ts';
import { BUILT, builtProgram } from '../rig/agent-process.ts';
import { PLANTS } from './plants.ts';
import { reportOf, table } from './report.ts';
import { runSoak, type Sample } from './run.ts';

/** The pump and the bill remember every sale. */
const MINUTES_MAX = 120;
const RATE_MAX = 1000;
const PROGRESS_MS = 30_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(freshSeed()) },
      rate: { type: 'string', default: '200' },
      plant: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [minutes, seed, rate] = [Number(values.minutes), Number(values.seed), Number(values.rate)];
  const plant = values.plant === undefined ? [] : PLANTS[values.plant];
  const bad =
    (!(minutes > 0 && minutes <= MINUTES_MAX) && `--minutes: must be up to ${MINUTES_MAX}, got "${values.minutes}"`) ||
    (!Number.isSafeInteger(seed) && `--seed: must be a whole number, got "${values.seed}"`) ||
    (!(rate >= 1 && rate <= RATE_MAX) && `--rate: must be 1 to ${RATE_MAX}, got "${values.rate}"`) ||
    (plant === undefined && `--plant: must be ${Object.keys(PLANTS).join(' or ')}, got "${values.plant}"`);
  if (typeof bad === 'string' || plant === undefined) {
    process.stderr.write(`${bad}\n`);
    return 64;
  }
  builtProgram();
  process.stderr.write(`soak: ${minutes} minutes, ${rate} sales a second, seed ${seed}\n`);
  const options = { minutes, seed, salesPerSecond: rate, file: BUILT, flags: plant, progress: progress() };
  const result = await runSoak(options);
  const report = reportOf(result);
  (values.json ? process.stderr : process.stdout).write(table(result, report));
  for (const fault of [...report.faults, ...result.bill.findings]) process.stderr.write(`FAILED: ${fault}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ minutes, seed, rate, ...report, ...result })}\n`);
  return report.faults.length === 0 ? 0 : 1;
}

function progress(): (sample: Sample, minutes: number) => void {
  let saidMs = 0;
  return ({ ms, accepted, received, rssMib, descriptors }, minutes) => {
    if (ms - saidMs < PROGRESS_MS) return;
    saidMs = ms;
    const at = `${(ms / 60_000).toFixed(1)}/${minutes} minutes`;
    process.stderr.write(
      `${at}: ${accepted} accepted, ${received} received, RSS ${rssMib.toFixed(1)} MiB, ${descriptors} descriptors\n`,
    );
  };
}

process.exitCode = await main();
