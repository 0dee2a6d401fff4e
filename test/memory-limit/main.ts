/**
 * `npm run memory-limit [-- --rounds N] [--json]`: the agent under load in ever less memory. Exit status 1 when a sale was
 * lost or doubled, or when not even the smallest limit killed it, the control. Needs root and a memory cgroup of version 1.
 */
import { parseArgs } from 'node:util';
import { builtProgram } from '../rig/agent-process.ts';
import { type LimitResult, runLimited, whyNot } from './run.ts';

const LIMITS_MIB = [96, 48, 32, 24, 20] as const;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '200' }, json: { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    process.stderr.write(`--rounds: must be a whole number, got "${values.rounds}"\n`);
    return 64;
  }
  const reason = whyNot();
  if (reason !== undefined) {
    process.stdout.write(values.json ? `${JSON.stringify({ skipped: reason })}\n` : `skipped: ${reason}\n`);
    return 0;
  }
  const results: LimitResult[] = [];
  for (const limit of LIMITS_MIB) results.push(await runLimited(limit, rounds, builtProgram()));
  const out = values.json ? process.stderr : process.stdout;
  out.write('| limit | killed by the kernel | most used | sales | lost | doubled |\n|---|---|---|---|---|---|\n');
  for (const { limitMib, kills, peakMib, bill } of results) {
    const { sold, lost, doubled } = bill;
    out.write(`| ${limitMib} MiB | ${kills} times | ${peakMib} MiB | ${sold} | ${lost.length} | ${doubled.length} |\n`);
  }
  const wrong = results.filter(({ bill }) => bill.lost.length + bill.doubled.length + bill.forks > 0);
  const isControlSeen = results.some(({ kills }) => kills > 0);
  if (!isControlSeen) process.stderr.write('FAILED: no limit killed it, so nothing was shown\n');
  for (const { limitMib } of wrong) process.stderr.write(`FAILED: lost or doubled in ${limitMib} MiB\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ rounds, results })}\n`);
  return wrong.length === 0 && isControlSeen ? 0 : 1;
}

process.exitCode = await main();
