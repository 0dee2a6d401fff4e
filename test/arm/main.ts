/**
 * `npm run arm [-- --row NAME ...] [--json]`: the packages for ARM at work under qemu-user. Exit status 1 when a sale was
 * lost or billed twice, or a row did not get to its end.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '../../src/fault.ts';
import { ROWS } from './rows.ts';
import { type ArmResult, runArm } from './run.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { row: { type: 'string', multiple: true, default: [] }, json: { type: 'boolean', default: false } },
  });
  const names = ROWS.map(({ name }) => name);
  const wrong = values.row.find((name) => !names.includes(name));
  if (wrong !== undefined) {
    process.stderr.write(`--row: must be ${names.join(', ')}, got ${JSON.stringify(wrong)}\n`);
    return 64;
  }
  const results: ArmResult[] = [];
  const faults: string[] = [];
  for (const row of ROWS.filter(({ name }) => values.row.length === 0 || values.row.includes(name))) {
    process.stderr.write(`arm: ${row.name} on ${row.suite}\n`);
    try {
      const result = await runArm(REPOSITORY, row);
      results.push(result);
      if (result.fault !== undefined) faults.push(`${row.name}: ${result.fault}`);
    } catch (error) {
      faults.push(`${row.name}: ${reasonOf(error)}`);
    }
  }
  (values.json ? process.stderr : process.stdout).write(table(results));
  if (values.json) process.stdout.write(`${JSON.stringify({ results, faults })}\n`);
  for (const fault of faults) process.stderr.write(`FAILED ${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}

function table(results: readonly ArmResult[]): string {
  const rows = results.map(({ row, node, accepted, received, lost, duplicates, verified, seconds }) => [
    row.name,
    row.suite,
    node,
    ...[accepted, received, lost, duplicates].map(String),
    verified,
    `${seconds.toFixed(0)} s`,
  ]);
  const all = [['package', 'Debian', 'Node.js', 'accepted', 'received', 'lost', 'doubled', 'ledger', 'took'], ...rows];
  const widths = all[0]?.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0))) ?? [];
  return all
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

process.exitCode = await main();
