/** The rows of the footprint benchmark: what is started, and with which flags and environment. */
import { readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Variant {
  readonly name: string;
  /** NAME=value. */
  readonly environment: readonly string[];
  readonly flags: readonly string[];
  /** The agent's file; undefined: node with nothing to do. */
  readonly file: string | undefined;
}

export async function variantsOf(tries: readonly string[], directory: string): Promise<Variant[]> {
  const unit = readUnit(readFileSync(join(ROOT, 'systemd/fieldpost.service'), 'utf8'));
  const file = join(ROOT, 'dist/fieldpost.mjs');
  const plain: Pick<Variant, 'environment' | 'flags'> = { environment: [], flags: [] };
  return [
    { name: 'as the unit starts it', ...unit, file },
    { name: 'plain node', ...plain, file },
    { name: 'empty node', ...plain, file: undefined },
    { name: 'not bundled', ...unit, file: await makeUnbundled(directory) },
    ...tries.map((tried, at) => {
      const flags = words(tried).filter((word) => word.startsWith('-'));
      const environment = words(tried).filter((word) => !word.startsWith('-'));
      return { name: `try ${at + 1}`, environment, flags, file };
    }),
  ];
}

/** Node's flags and the environment of a systemd unit. Takes what ours uses of the format: quotes, and \ at a line's end. */
function readUnit(text: string): Pick<Variant, 'environment' | 'flags'> {
  const lines = text.replace(/\\\n/g, ' ').split('\n');
  const valuesOf = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).flatMap((line) => words(line.slice(key.length + 1)));
  const [node = '', ...args] = valuesOf('ExecStart');
  const file = args.findIndex((arg) => !arg.startsWith('-'));
  if (!/(^|\/)node$/.test(node) || !args[file]?.endsWith('/fieldpost.mjs'))
    throw new Error('systemd/fieldpost.service: ExecStart must be: node, its flags, fieldpost.mjs');
  return { environment: valuesOf('Environment'), flags: args.slice(0, file) };
}

function words(text: string): string[] {
  return (text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) => word.replace(/["']/g, ''));
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
