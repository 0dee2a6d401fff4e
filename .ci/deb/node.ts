/**
 * Node.js for a package that brings its own: the npm packages that hold the builds of nodejs.org, at the version and with
 * the hash of packaging/node.json, without the symbols. Kept in .local/node/ for the next time.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './plan.ts';

export interface NodePins {
  readonly version: string;
  readonly packages: Partial<Record<Architecture, { readonly name: string; readonly integrity: string }>>;
}

export interface BundledNode {
  /** The stripped program. */
  readonly program: string;
  readonly licence: string;
}

const STRIP: Partial<Record<Architecture, string>> = {
  amd64: 'x86_64-linux-gnu-strip',
  arm64: 'aarch64-linux-gnu-strip',
};

export function nodePins(root: string): NodePins {
  return JSON.parse(readFileSync(join(root, 'packaging/node.json'), 'utf8')) as NodePins;
}

export function bundledNode(root: string, architecture: Architecture): BundledNode {
  const { version, packages } = nodePins(root);
  const pin = packages[architecture];
  const strip = STRIP[architecture];
  if (pin === undefined || strip === undefined)
    throw new Error(`packaging/node.json has no Node.js for ${architecture}`);
  const cache = join(root, '.local/node');
  const ready = {
    program: join(cache, `${pin.name}-${version}`),
    licence: join(cache, `${pin.name}-${version}.LICENSE`),
  };
  if (existsSync(ready.program) && existsSync(ready.licence)) return ready;

  const work = join(cache, `${pin.name}-${version}.new`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const archive = join(work, `${pin.name}-${version}.tgz`);
  run('npm', ['pack', `${pin.name}@${version}`, '--silent', '--pack-destination', work], root);
  const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (hash !== pin.integrity) {
    throw new Error(`${pin.name} ${version}: must have the hash of packaging/node.json, ${pin.integrity}, got ${hash}`);
  }
  run('tar', ['-xzf', archive, '-C', work, 'package/bin/node', 'package/LICENSE'], root);
  copyFileSync(join(work, 'package/LICENSE'), ready.licence);
  run(strip, ['-o', join(work, 'node'), join(work, 'package/bin/node')], root);
  renameSync(join(work, 'node'), ready.program);
  rmSync(work, { recursive: true });
  return ready;
}

function run(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, { cwd, stdio: ['ignore', 2, 2] });
}
