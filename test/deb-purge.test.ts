/**
 * What a purge of the package takes away, by its own script, with a file system mounted where the ledger is. The script runs
 * on a tree in a mount namespace of its own, with `rm` and `find` as the only programs, so that it can not reach this machine's
 * files, users and units. `npm run deb-life` has the whole life of a package.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const NAMESPACE = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];
const canMount = spawnSync('unshare', [...NAMESPACE, 'mount', '-t', 'tmpfs', 'none', '/tmp']).status === 0;

/** A tree with the places that a purge takes away, and the script on it. */
function setTree(t: TestContext): { readonly tree: string; readonly script: string; readonly programs: string } {
  const folder = mkdtempSync(join(tmpdir(), 'fieldpost-purge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [tree, programs, script] = [join(folder, 'tree'), join(folder, 'bin'), join(folder, 'postrm')];
  for (const place of ['etc/fieldpost/tls', 'var/lib/fieldpost/ledger', 'run/fieldpost']) {
    mkdirSync(join(tree, place), { recursive: true });
    writeFileSync(join(tree, place, 'file'), '');
  }
  mkdirSync(programs);
  for (const name of ['rm', 'find'])
    symlinkSync(spawnSync('which', [name]).stdout.toString().trim(), join(programs, name));
  symlinkSync('/bin/false', join(programs, 'getent'));
  const text = readFileSync(join(ROOT, 'packaging/postrm'), 'utf8');
  const moved = text.replaceAll(/ \/(?=(?:etc|var\/lib|run)\/fieldpost\b)/g, ` ${tree}/`);
  const places = ['etc', 'var/lib', 'run'].map((place) => `${tree}/${place}/fieldpost`).join(' ');
  assert.ok(moved.includes(`for place in ${places};`), moved);
  writeFileSync(script, moved);
  return { tree, script, programs };
}

/** `before` in the namespace, the purge, and then what is left of the tree. */
function purge({ tree, script, programs }: ReturnType<typeof setTree>, before: string): ReturnType<typeof spawnSync> {
  const steps = `set -e; cd ${tree}; ${before}; PATH=${programs} /bin/sh ${script} purge; find . -mindepth 2 | sort`;
  return spawnSync('unshare', [...NAMESPACE, 'sh', '-c', steps], { encoding: 'utf8' });
}

test('a purge takes configuration, ledger and state away', { skip: !canMount && 'no mount namespaces here' }, (t) => {
  const { status, stdout, stderr } = purge(setTree(t), 'true');
  assert.deepEqual([status, stdout, stderr], [0, './var/lib\n', '']);
});

test('a purge empties what is a mount point, says so, and goes on', {
  skip: !canMount && 'no mount namespaces here',
}, (t) => {
  const at = setTree(t);
  const mounted =
    'mount -t tmpfs none var/lib/fieldpost; mkdir var/lib/fieldpost/ledger; : > var/lib/fieldpost/ledger/a.seg';
  const { status, stdout, stderr } = purge(at, mounted);
  const said = `fieldpost: ${at.tree}/var/lib/fieldpost is empty; it stays, since a file system is mounted there\n`;
  assert.deepEqual([status, stdout, stderr], [0, `${said}./var/lib\n./var/lib/fieldpost\n`, '']);
});

test('a purge that can not take a file away fails', { skip: !canMount && 'no mount namespaces here' }, (t) => {
  const readOnly = 'mount --bind var/lib/fieldpost var/lib/fieldpost; mount -o remount,bind,ro var/lib/fieldpost';
  const { status, stderr } = purge(setTree(t), readOnly);
  assert.equal(status, 1);
  assert.match(String(stderr), /ledger\/file': Read-only file system/);
});
