/**
 * `npm run reconnect -- --agents 100 --outage 5 --seed S [--svg FILE] [--json]`: so many devices lose a real Mosquitto at
 * one moment and come back; then the same without jitter, the control; then larger fleets in virtual time. Exit status 1
 * when more than a tenth of a fleet comes within a tenth of a second, or the control does not.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { freshSeed } from '../../src/workbench/random.ts';
import { runFleet } from './fleet.ts';
import { type FleetTimes, modelFleet, mostWithin, quantile } from './model.ts';
import { BIN_MS, plot } from './plot.ts';

const SHARE_MAX = 0.1;
const MODEL_AGENTS = 10_000;
const OUTAGES_S = [5, 60, 600] as const;

interface Row {
  readonly fleet: string;
  readonly agents: number;
  readonly outageS: number;
  readonly jitter: boolean;
  readonly attempts: number;
  /** Most that came back within a tenth of a second. */
  readonly most: number;
  /** Seconds after the broker was back by which so many were. */
  readonly half: number;
  readonly last: number;
}

function rowOf(fleet: string, jitter: boolean, outageS: number, times: FleetTimes, backMs: number): Row {
  const seconds = (part: number): number => Math.round((quantile(times.ups, part) - backMs) / 100) / 10;
  return {
    fleet,
    agents: times.ups.length,
    outageS,
    jitter,
    attempts: times.attempts.length,
    most: mostWithin(times.ups, BIN_MS),
    half: seconds(0.5),
    last: seconds(1),
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      agents: { type: 'string', default: '100' },
      outage: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(freshSeed()) },
      svg: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [agents, outageS, seed] = [Number(values.agents), Number(values.outage), Number(values.seed)];
  if (!Number.isSafeInteger(agents) || agents < 2 || agents > 2000 || !(outageS > 0 && outageS <= 600)) {
    process.stderr.write(`--agents: 2 to 2000, --outage: up to 600, got "${values.agents}" and "${values.outage}"\n`);
    return 64;
  }
  process.stderr.write(`reconnect: ${agents} devices, seed ${seed}\n`);
  const rows: Row[] = [];
  const panels = [];
  for (const jitter of [true, false]) {
    const times = await runFleet({ agents, outageMs: outageS * 1000, seed, jitter });
    rows.push(rowOf('real', jitter, outageS, times, times.backMs));
    const name = jitter ? 'fieldpost' : 'the same without jitter (control)';
    panels.push({ title: `${name}: ${agents} devices that come back, in each 100 ms`, ...times });
  }
  for (const outage of OUTAGES_S) {
    for (const jitter of [true, false]) {
      const times = modelFleet({ agents: MODEL_AGENTS, outageMs: outage * 1000, seed, jitter });
      rows.push(rowOf('virtual', jitter, outage, times, outage * 1000));
    }
  }
  if (values.svg !== undefined) writeFileSync(values.svg, plot('A fleet after a restart of its broker', panels));
  (values.json ? process.stderr : process.stdout).write(table(rows));
  const isStampede = ({ most, agents: of }: Row): boolean => most > of * SHARE_MAX;
  const faults = rows
    .filter((row) => isStampede(row) === row.jitter)
    .map(
      ({ fleet, jitter, most, outageS: of }) => `${fleet}, ${of} s, ${jitter ? '' : 'no '}jitter: ${most} in 100 ms`,
    );
  for (const fault of faults) process.stderr.write(`FAILED: ${fault}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ agents, seed, rows, faults })}\n`);
  return faults.length === 0 ? 0 : 1;
}

function table(rows: readonly Row[]): string {
  const head = '| fleet | devices | outage | jitter | attempts | most in 100 ms | half back after | all back after |\n';
  const line = '|---|---|---|---|---|---|---|---|\n';
  const body = rows.map(
    (row) =>
      `| ${row.fleet} | ${row.agents} | ${row.outageS} s | ${row.jitter ? 'yes' : 'no (control)'} | ${row.attempts} | ${row.most} | ${row.half} s | ${row.last} s |\n`,
  );
  return head + line + body.join('');
}

process.exitCode = await main();
