/**
 * `npm run deb-life [-- --suite trixie|bookworm]`: a package is installed, upgraded with another device.json, taken back,
 * removed, put back and purged by apt in a Debian of its own, which is thrown away; systemd does not run in it (`npm run booted`).
 * Exit status 1 when something is lost that should have stayed, or left that should have gone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '../../src/fault.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Debian's own name for whichever mirror is near. */
const MIRROR = 'http://deb.debian.org/debian';
const LIFE_MS_MAX = 1_200_000;
/** Debian 12 has no Node.js that is new enough. */
const NODE_OF: Readonly<Record<string, string>> = { trixie: 'distribution', bookworm: 'bundled' };
const OLDER = '1.0.0';
const NEWER = '1.0.1';

function build(out: string, node: string, version: string): string {
  const args = ['--import', 'tsx', '.ci/deb/main.ts', '--arch', 'amd64', '--node', node, '--version', version];
  const said = execFileSync(process.execPath, [...args, '--out', out, '--json'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const made = JSON.parse(said) as { readonly packages: readonly { readonly path: string }[] };
  return made.packages[0]?.path ?? '';
}

/** The next version with another example, as a later one may bring: made of the first, since nothing else has to differ. */
function nextVersion(deb: string, work: string): string {
  const tree = join(work, 'other');
  execFileSync('dpkg-deb', ['-R', deb, tree]);
  for (const path of ['etc/fieldpost/device.json', 'usr/share/fieldpost/device.json']) {
    const text = readFileSync(join(tree, path), 'utf8');
    writeFileSync(join(tree, path), text.replace('"level": "info"', '"level": "warn"'));
  }
  const control = join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(`Version: ${OLDER}-`, `Version: ${NEWER}-`));
  const newer = join(work, 'newer.deb');
  // Sums of what was changed are others now, and nothing here looks at them.
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, newer], { stdio: ['ignore', 2, 2] });
  return newer;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { suite: { type: 'string', default: 'trixie' } } });
  const node = NODE_OF[values.suite];
  if (node === undefined) {
    process.stderr.write(`--suite: must be ${Object.keys(NODE_OF).join(', ')}, got ${JSON.stringify(values.suite)}\n`);
    return 64;
  }
  const directory = await makeTemporaryDirectory('deb-life');
  try {
    const older = build(directory.path, node, OLDER);
    const newer = nextVersion(older, directory.path);
    const inside = join(directory.path, 'prove');
    mkdirSync(inside);
    copyFileSync(older, join(inside, 'older.deb'));
    copyFileSync(newer, join(inside, 'newer.deb'));
    copyFileSync(join(import.meta.dirname, 'inside.sh'), join(inside, 'inside.sh'));
    const tree = join(directory.path, 'tree.tar');
    const ran = spawnSync(
      'mmdebstrap',
      [
        '--quiet',
        '--variant=minbase',
        // Essential packages only: what fieldpost needs it must ask for by itself.
        `--customize-hook=copy-in "${inside}" /`,
        '--customize-hook=chroot "$1" sh /prove/inside.sh /prove/older.deb /prove/newer.deb >&2',
        values.suite,
        tree,
        MIRROR,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: LIFE_MS_MAX },
    );
    const lines = ran.stderr.split('\n');
    process.stdout.write(
      lines
        .filter((line) => /^(?:ok|FAILED) /.test(line))
        .map((line) => `${line}\n`)
        .join(''),
    );
    if (ran.status === 0) return 0;
    process.stderr.write(`${lines.slice(-15).join('\n')}\n`);
    return 1;
  } finally {
    await directory.remove();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`deb-life: ${reasonOf(error)}\n`);
  process.exitCode = 1;
}
