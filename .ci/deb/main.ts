/**
 * Builds fieldpost's Debian packages into dist/deb/. The same sources give the same bytes: every time in a package is
 * SOURCE_DATE_EPOCH, or that of the last commit. Exit status 1 when a package weighs more than it may, or with --lint when
 * lintian or mandoc complain of one.
 *
 * usage: npm run deb [-- --arch amd64|arm64|armhf ...] [--node distribution|bundled ...] [--version V] [--out DIR] [--lint]
 *                    [--json]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault, reasonOf } from '../../src/fault.ts';
import { writeControl } from './control.ts';
import type { Maintainer } from './documents.ts';
import { stamp } from './files.ts';
import { judge } from './lint.ts';
import { bundledNode, nodePins } from './node.ts';
import { type PackagePlan, planPackages } from './plan.ts';
import { layOut } from './tree.ts';
import { enabledUnits, systemFiles } from './units.ts';

const ROOT = resolve(import.meta.dirname, '../..');

interface Built {
  readonly plan: PackagePlan;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly seconds: number;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', multiple: true, default: [] },
      node: { type: 'string', multiple: true, default: [] },
      version: { type: 'string' },
      out: { type: 'string', default: join(ROOT, 'dist/deb') },
      lint: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { version: own } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
  const version = values.version ?? own;
  const nodeVersion = nodePins(ROOT).version;
  const plans = planPackages({ architectures: values.arch, nodes: values.node, version, nodeVersion });
  process.umask(0o022);
  const out = resolve(values.out);
  const work = join(out, `.work-${process.pid}`);
  const epochSeconds = sourceDate();
  try {
    const built = join(work, 'dist');
    execFileSync(process.execPath, [join(ROOT, '.ci/build.mjs'), '--out', built, '--version', version], {
      stdio: ['ignore', 2, 2],
    });
    const results = plans.map((plan) => buildPackage({ plan, built, work, out, epochSeconds }));
    process.stdout.write(values.json ? `${JSON.stringify({ epochSeconds, packages: results })}\n` : table(results));
    const complaints = values.lint
      ? results.flatMap(({ plan, path }) => judge(path).map((said) => `${plan.file}: ${said}\n`))
      : [];
    process.stderr.write(complaints.join(''));
    if (values.lint && complaints.length === 0) process.stderr.write('lintian and mandoc: nothing to complain of\n');
    return complaints.length > 0 || results.some(({ plan, bytes }) => bytes > plan.bytesMax) ? 1 : 0;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

interface BuildOptions {
  readonly plan: PackagePlan;
  readonly built: string;
  readonly work: string;
  readonly out: string;
  readonly epochSeconds: number;
}

function buildPackage({ plan, built, work, out, epochSeconds }: BuildOptions): Built {
  const startedMs = performance.now();
  process.stderr.write(`fieldpost: ${plan.file}\n`);
  const bundled = plan.node === 'bundled';
  const node = bundled ? bundledNode(ROOT, plan.architecture) : undefined;
  const system = systemFiles(ROOT, bundled);
  const tree = join(work, `${plan.architecture}-${plan.node}`);
  mkdirSync(tree, { recursive: true });
  const maintainer = maintainerOf(process.env);
  layOut({ root: ROOT, built, tree, plan, node, system, maintainer, epochSeconds });
  writeControl({ root: ROOT, tree, plan, maintainer, units: enabledUnits(system) });
  stamp(tree, epochSeconds);
  const path = join(out, plan.file);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) },
    stdio: ['ignore', 2, 2],
  });
  rmSync(tree, { recursive: true });
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  return { plan, path, bytes: statSync(path).size, sha256, seconds: (performance.now() - startedMs) / 1000 };
}

/** Seconds since 1970: reproducible-builds.org's variable, else the last commit, else package.json's own time. */
function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) {
    if (/^[0-9]{1,11}$/.test(given)) return Number(given);
    throw new Fault('usage', `SOURCE_DATE_EPOCH: must be seconds since 1970, got ${JSON.stringify(given)}`);
  }
  try {
    const said = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
    return Number(said.toString().trim());
  } catch {
    return Math.floor(statSync(join(ROOT, 'package.json')).mtimeMs / 1000);
  }
}

/** Whoever builds packages for others says who they are, in the variables that Debian's own tools read. */
function maintainerOf(env: NodeJS.ProcessEnv): Maintainer {
  return {
    name: env['DEBFULLNAME'] ?? 'fieldpost contributors',
    email: env['DEBEMAIL'] ?? 'noreply@fieldpost.invalid',
  };
}

function table(results: readonly Built[]): string {
  const rows = results.map(({ plan, bytes, seconds }) => [
    plan.file,
    plan.architecture,
    plan.node,
    `${(bytes / 1024 / 1024).toFixed(2)} MiB`,
    `${plan.bytesMax / 1024 / 1024} MiB`,
    bytes > plan.bytesMax ? 'TOO LARGE' : 'ok',
    `${seconds.toFixed(0)} s`,
  ]);
  const all = [['package', 'processor', 'Node.js', 'size', 'at most', '', 'built in'], ...rows];
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

try {
  process.exitCode = main();
} catch (error) {
  process.stderr.write(`npm run deb: ${reasonOf(error)}\n`);
  process.exitCode = error instanceof Fault && error.code === 'usage' ? 64 : 1;
}
