/**
 * The tree that is booted: Debian as mmdebstrap makes it (kept as .local/booted/<suite>.tar), a broker with mutual TLS, a
 * consumer, a pump and a meter as services of its own, the checks, and fieldpost: as the files of this clone, or as packages
 * that the checks install.
 */
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import * as esbuild from 'esbuild';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { DEVICE, deviceFile, MOSQUITTO, UNITS } from './furniture.ts';
import { PACKAGES, PLACE } from './inside/state.ts';

export const SUITES = ['trixie', 'bookworm'] as const;
export type Suite = (typeof SUITES)[number];

export function isSuite(text: string): text is Suite {
  return (SUITES as readonly string[]).includes(text);
}

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.local/booted');
const MIRROR = 'http://deb.debian.org/debian';
const INCLUDE = ['systemd', 'systemd-sysv', 'udev', 'mosquitto', 'openssl', 'libatomic1'];
/** Debian 12's own Node is too old for fieldpost: there, the one that runs this is copied in. */
const WITH_NODE: readonly Suite[] = ['trixie'];
const PROGRAMS = ['main', 'pump', 'probe', 'block'];

export interface Tree {
  readonly root: string;
  remove(): Promise<void>;
}

export async function furnish(
  suite: Suite,
  debs: { readonly older: string; readonly newer: string } | undefined,
): Promise<Tree> {
  await mkdir(CACHE, { recursive: true });
  const root = await mkdtemp(join(CACHE, 'tree-'));
  const remove = async (): Promise<void> => {
    await rm(root, { recursive: true, force: true });
    await rm(join(CACHE, `.#${basename(root)}.lck`), { force: true });
  };
  try {
    run('tar', '-C', root, '-xf', base(suite));
    if (!WITH_NODE.includes(suite)) await copyFile(process.execPath, join(root, 'usr/bin/node'));
    await chmod(root, 0o755);
    await putSurroundings(root);
    if (debs === undefined) await putProduct(root);
    else await putPackages(root, debs);
  } catch (error) {
    await remove();
    throw error;
  }
  return { root, remove };
}

function base(suite: Suite): string {
  const tar = join(CACHE, `${suite}.tar`);
  if (existsSync(tar)) return tar;
  process.stderr.write(`making a ${suite} tree, once\n`);
  // Its name says to mmdebstrap what to make.
  const unfinished = join(CACHE, `${suite}.unfinished.tar`);
  const include = [...INCLUDE, ...(WITH_NODE.includes(suite) ? ['nodejs'] : [])].join(',');
  run('mmdebstrap', '--quiet', '--variant=minbase', `--include=${include}`, suite, unfinished, MIRROR);
  run('mv', unfinished, tar);
  return tar;
}

/** All but fieldpost itself: what it talks to, and what checks it. */
async function putSurroundings(root: string): Promise<void> {
  const place = join(root, PLACE);
  // The journal of the boots before, too.
  await mkdir(join(root, 'var/log/journal'), { recursive: true });
  await mkdir(join(root, 'etc/booted'), { recursive: true });
  await cp(join(ROOT, 'dist'), join(place, 'dist'), { recursive: true });
  const names = ['--device', DEVICE, '--server', 'localhost', '--consumer', 'collector'];
  run(process.execPath, join(ROOT, 'dist/fieldpost.mjs'), 'certs', join(root, 'etc/booted/tls'), ...names);
  run('chown', '-R', '0:0', join(root, 'etc/booted/tls'));
  await put(root, 'etc/hosts', '127.0.0.1 localhost\n');
  await put(root, 'etc/booted/acl', mosquittoAcl({ prefix: 'fp/v1', consumers: ['collector'] }));
  await put(root, 'etc/booted/mosquitto.conf', MOSQUITTO);
  await put(root, 'etc/booted/device.json', deviceFile());
  for (const [name, text] of Object.entries(UNITS)) {
    await put(root, `etc/systemd/system/${name}`, text);
    run('systemctl', '--quiet', `--root=${root}`, 'enable', name);
  }
  await esbuild.build({
    entryPoints: PROGRAMS.map((name) => join(ROOT, `test/booted/inside/${name}.ts`)),
    outdir: place,
    bundle: true,
    format: 'esm',
    platform: 'node',
    outExtension: { '.js': '.mjs' },
    logLevel: 'warning',
  });
}

/** As the head of systemd/fieldpost.service says. */
async function putProduct(root: string): Promise<void> {
  const units = join(ROOT, 'systemd');
  const product = join(root, 'usr/lib/fieldpost');
  await cp(join(ROOT, 'dist'), product, { recursive: true });
  for (const name of await readdir(join(units, 'lib'))) {
    await copyFile(join(units, 'lib', name), join(product, name));
    await chmod(join(product, name), 0o755);
  }
  for (const folder of ['sysusers.d', 'tmpfiles.d'])
    await copyFile(join(units, folder, 'fieldpost.conf'), join(root, 'usr/lib', folder, 'fieldpost.conf'));
  for (const name of await readdir(units)) {
    if (/\.(?:service|path)$/.test(name)) await copyFile(join(units, name), join(root, 'etc/systemd/system', name));
    if (name.endsWith('.rules')) await copyFile(join(units, name), join(root, 'etc/udev/rules.d', name));
  }
}

async function putPackages(root: string, debs: { readonly older: string; readonly newer: string }): Promise<void> {
  await mkdir(join(root, dirname(PACKAGES.older)), { recursive: true });
  await copyFile(debs.older, join(root, PACKAGES.older));
  await copyFile(debs.newer, join(root, PACKAGES.newer));
}

async function put(root: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

function run(program: string, ...args: readonly string[]): void {
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with status ${status}: ${stderr}`);
}
