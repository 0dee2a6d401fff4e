/**
 * `npm run booted -- [--suite trixie|bookworm] [--packages | --deb FILE --newer FILE] [--keep] [--json]`: boots a Debian tree with
 * systemd-nspawn and shows there what only a booted system can: READY, restarts after kill -9 and a hang, the reboot unit, the
 * sandbox, the key from the credential store, and, with packages, install, upgrade, downgrade, remove, reinstall and purge. A
 * pump sells all the while, and at the end each sale that was answered is in the ledger and at the consumer exactly once.
 * `--packages` makes the two packages first. Needs root. Exit status 1 when a check fails.
 */
import { parseArgs } from 'node:util';
import { table } from '../../bench/rig/report.ts';
import { bootUntilDone } from './boot.ts';
import { buildPackages } from './packages.ts';
import { furnish, isSuite, type Suite, SUITES } from './tree.ts';

interface Options {
  readonly suite: Suite;
  readonly debs: { readonly older: string; readonly newer: string } | undefined;
  readonly keep: boolean;
  readonly json: boolean;
}

/** A sentence: why the arguments are wrong. */
function parse(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      suite: { type: 'string', default: SUITES[0] },
      packages: { type: 'boolean', default: false },
      deb: { type: 'string' },
      newer: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { suite, packages, deb, newer, keep, json } = values;
  if (!isSuite(suite)) return `--suite must be one of ${SUITES.join(', ')}, got "${suite}"`;
  if (newer !== undefined && deb === undefined) return '--newer needs --deb, the package that is upgraded';
  if (packages && deb !== undefined) return '--packages makes the packages, --deb takes one: only one of them';
  if (packages) return { suite, debs: buildPackages(suite), keep, json };
  const debs = deb === undefined ? undefined : { older: deb, newer: newer ?? deb };
  return { suite, debs, keep, json };
}

async function main(): Promise<number> {
  const options = parse(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n`);
    return 64;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('booting a tree needs root\n');
    return 1;
  }
  const tree = await furnish(options.suite, options.debs);
  try {
    const { results, seconds, lastWords } = await bootUntilDone(tree.root);
    const failed = results.filter(({ ok }) => !ok).length;
    const rows = results.map(({ name, ok, detail }) => [name, ok ? 'held' : 'FAILED', detail]);
    const text = `${table(['check', '', ''], rows, 3)}\n${options.suite}: ${results.length} checks, ${failed} failed, ${seconds} s\n`;
    (options.json ? process.stderr : process.stdout).write(text);
    if (lastWords !== '') process.stderr.write(lastWords);
    if (options.json) process.stdout.write(`${JSON.stringify({ suite: options.suite, results, seconds })}\n`);
    return failed === 0 && lastWords === '' ? 0 : 1;
  } finally {
    if (options.keep) process.stderr.write(`kept: ${tree.root}\n`);
    else await tree.remove();
  }
}

process.exitCode = await main();
