/**
 * The root file system of an ARM device: a Debian of its processor, only unpacked (no foreign program runs for that), and
 * the package unpacked over it. The Debian is kept in .local/arm/ for the next run.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ArmRow } from './rows.ts';

/** Debian's own name for whichever mirror is near. Without it mmdebstrap would want security updates too, of which none is needed. */
const MIRROR = 'http://deb.debian.org/debian';
const DEBIAN_MS_MAX = 600_000;
const PACKAGE_MS_MAX = 600_000;

export interface ArmTree {
  readonly root: string;
  /** Starts the packed program as the packed unit does: emulator, Node.js and its flags, fieldpost.mjs. */
  readonly program: readonly [string, ...string[]];
}

/** `work` takes the package and is the caller's to remove. */
export function armTree(repository: string, row: ArmRow, work: string): ArmTree {
  const root = debian(repository, row);
  const packages = join(work, row.name);
  const args = [
    '--import',
    'tsx',
    '.ci/deb/main.ts',
    '--arch',
    row.architecture,
    '--node',
    row.node,
    '--out',
    packages,
    '--json',
  ];
  const said = execFileSync(process.execPath, args, {
    cwd: repository,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PACKAGE_MS_MAX,
  });
  const made = JSON.parse(said) as { readonly packages: readonly { readonly path: string }[] };
  rmSync(join(root, 'usr/lib/fieldpost'), { recursive: true, force: true });
  execFileSync('dpkg-deb', ['-x', made.packages[0]?.path ?? '', root]);
  const unit = readFileSync(join(root, 'usr/lib/systemd/system/fieldpost.service'), 'utf8');
  const started = /^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const node = started.findIndex((word) => word.endsWith('/node'));
  const main = started.findIndex((word) => word.endsWith('/fieldpost.mjs'));
  if (node < 0 || main < node) throw new Error(`the packed unit does not start Node.js: ${started.join(' ')}`);
  const words = started.slice(node, main + 1).map((word) => (word.startsWith('/') ? join(root, word) : word));
  return { root, program: [row.emulator, '-L', root, ...words] };
}

function debian(repository: string, row: ArmRow): string {
  const root = join(repository, '.local/arm', row.name);
  if (existsSync(root)) return root;
  const fresh = `${root}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(join(repository, '.local/arm'), { recursive: true });
  const include = `--include=${row.include.join(',')}`;
  execFileSync(
    'mmdebstrap',
    ['--quiet', `--arch=${row.architecture}`, '--variant=extract', include, row.suite, fresh, MIRROR],
    {
      stdio: ['ignore', 2, 2],
      timeout: DEBIAN_MS_MAX,
    },
  );
  // Debian's base-files makes this link; the program interpreter of every program is below it.
  if (!existsSync(join(fresh, 'lib'))) symlinkSync('usr/lib', join(fresh, 'lib'));
  renameSync(fresh, root);
  return root;
}
