/** The rows of the footprint benchmark: what is started, and with which flags and environment. */
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import type { Peer } from './peers.ts';
import { type Flags, readUnit, words } from '../rig/unit.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Variant extends Flags {
  readonly name: string;
  /** The agent's file; undefined: node with nothing to do, or a peer. */
  readonly file: string | undefined;
  readonly peer?: Peer;
}

export async function variantsOf(
  tries: readonly string[],
  others: readonly Peer[],
  directory: string,
): Promise<Variant[]> {
  const unit = readUnit();
  const file = join(ROOT, 'dist/fieldpost.mjs');
  const plain: Flags = { environment: [], flags: [] };
  return [
    { name: 'as the unit starts it', ...unit, file },
    { name: 'plain node', ...plain, file },
    { name: 'empty node', ...plain, file: undefined },
    { name: 'not bundled', ...unit, file: await makeUnbundled(directory) },
    ...others.map((peer) => ({ name: peer.name, ...plain, file: undefined, peer })),
    ...tries.map((tried, at) => {
      const flags = words(tried).filter((word) => word.startsWith('-'));
      const environment = words(tried).filter((word) => !word.startsWith('-'));
      return { name: `try ${at + 1}`, environment, flags, file };
    }),
  ];
}

/** Our own code as one file, its packages from node_modules: what an installation by npm would run. */
async function makeUnbundled(directory: string): Promise<string> {
  const outfile = join(directory, 'unbundled.mjs');
  buildSync({
    entryPoints: [join(ROOT, 'src/main.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    external: ['../workbench/index.ts'],
    format: 'esm',
    platform: 'node',
    target: 'node20',
    define: { FIELDPOST_VERSION: '"0.0.0"' },
  });
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return outfile;
}
