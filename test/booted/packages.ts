/** The packages that the checks install: this clone's, and the same as an older version, so that there is something to upgrade. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { Suite } from './tree.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const OUT = join(ROOT, '.local/booted/packages');
const OLDER = '0.0.1';

export function buildPackages(suite: Suite): { readonly older: string; readonly newer: string } {
  // Debian 12's own Node is too old.
  const node = suite === 'bookworm' ? 'bundled' : 'distribution';
  return { older: build(node, '--version', OLDER), newer: build(node) };
}

function build(node: string, ...more: readonly string[]): string {
  const args = ['.ci/deb.mjs', '--arch', 'amd64', '--node', node, '--out', OUT, '--json', ...more];
  const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (done.status !== 0) throw new Error(`${args.join(' ')} ended with status ${done.status}`);
  const { packages } = JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '') as {
    readonly packages: readonly [{ readonly path: string }];
  };
  return packages[0].path;
}
