/** What dpkg is told: control, checksums, configuration files, and the maintainer scripts of packaging/. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Maintainer } from './documents.ts';
import { put } from './files.ts';
import { NODE_DEPENDS, type PackagePlan } from './plan.ts';

export interface ControlOptions {
  readonly root: string;
  /** The unpacked package. */
  readonly tree: string;
  readonly plan: PackagePlan;
  readonly maintainer: Maintainer;
  readonly units: readonly string[];
}

/** What the serial binding, and Node.js of nodejs.org, were built against. */
const LIBRARIES = ['libc6 (>= 2.28)', 'libgcc-s1 (>= 3.5)', 'libstdc++6 (>= 6)'];
/** deb-systemd-helper; and what makes the user in a tree without systemd-sysusers. */
const HELPERS = ['init-system-helpers (>= 1.54~)', 'adduser'];

export const CONFFILES = ['/etc/fieldpost/device.json'];

export function writeControl(options: ControlOptions): void {
  const { root, tree, units } = options;
  const folder = join(tree, 'DEBIAN');
  const files = filesBelow(tree);
  mkdirSync(folder);
  put(join(folder, 'control'), controlText(options, files), 0o644);
  put(join(folder, 'conffiles'), `${CONFFILES.join('\n')}\n`, 0o644);
  const sums = files
    .filter((path) => !CONFFILES.includes(`/${path}`) && lstatSync(join(tree, path)).isFile())
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, path)))
          .digest('hex')}  ${path}\n`,
    );
  put(join(folder, 'md5sums'), sums.join(''), 0o644);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    const text = readFileSync(join(root, 'packaging', script), 'utf8');
    if (!text.includes('@UNITS@')) throw new Error(`packaging/${script}: must say UNITS='@UNITS@'`);
    put(join(folder, script), text.replaceAll('@UNITS@', units.join(' ')), 0o755);
  }
}

function controlText({ root, tree, plan, maintainer }: ControlOptions, files: readonly string[]): string {
  const depends = [...(plan.node === 'distribution' ? [NODE_DEPENDS] : []), ...LIBRARIES, ...HELPERS];
  // As dpkg-gencontrol counts: files in whole KiB, one KiB for everything else.
  const kib = files.reduce((sum, path) => {
    const entry = lstatSync(join(tree, path));
    return sum + (entry.isFile() ? Math.ceil(entry.size / 1024) : 1);
  }, 0);
  return [
    'Package: fieldpost',
    `Version: ${plan.debianVersion}`,
    `Architecture: ${plan.architecture}`,
    `Maintainer: ${maintainer.name} <${maintainer.email}>`,
    `Installed-Size: ${kib}`,
    `Depends: ${depends.join(', ')}`,
    'Suggests: mosquitto-clients',
    'Section: net',
    'Priority: optional',
    `Description: ${readFileSync(join(root, 'packaging/description'), 'utf8').trimEnd()}`,
    '',
  ].join('\n');
}

/** Everything but DEBIAN/, by name. */
function filesBelow(tree: string): readonly string[] {
  return readdirSync(tree, { recursive: true, encoding: 'utf8' }).sort();
}
