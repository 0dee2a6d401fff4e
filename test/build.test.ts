/**
 * What ships: the built files run from a folder of their own, with no node_modules and no source in reach.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const BUILD = join(ROOT, '.ci/build.mjs');
/** A build that takes longer would slow every run of the tests. */
const BUILD_MS_MAX = 10_000;

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldpost-build-'));
  execFileSync(process.execPath, [BUILD, '--out', join(folder, 'dist')], { timeout: BUILD_MS_MAX });
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

function shipped(...args: string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: '/usr/bin:/bin' },
  });
}

test('the shipped file tells the version of package.json from a folder without node_modules', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const ran = shipped(join(folder, 'dist/fieldpost.mjs'), '--version');
  assert.equal(ran.stderr, '');
  assert.match(ran.stdout, new RegExp(`^(fieldpost )?${version.replaceAll('.', '\\.')}\\n$`));
  assert.equal(ran.status, 0);
});

test('the shipped file can be started by name and brings the licences of what it holds', () => {
  assert.ok((statSync(join(folder, 'dist/fieldpost.mjs')).mode & 0o111) === 0o111);
  assert.match(readFileSync(join(folder, 'dist/LICENSES.txt'), 'utf8'), /^mqtt 5\./m);
});

test('the native serial binding loads from prebuilds/ beside the shipped file', () => {
  const probe = join(folder, 'probe');
  const build = `
    import { build } from ${JSON.stringify(BUILD)};
    await build({ out: ${JSON.stringify(probe)}, main: ${JSON.stringify(join(ROOT, 'test/build/serial-probe.ts'))} });`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', build], { cwd: ROOT, timeout: BUILD_MS_MAX });
  const ran = shipped(join(probe, 'fieldpost.mjs'));
  assert.equal(ran.stderr, '');
  assert.match(ran.stdout, /No such file or directory, cannot open \/dev\/fieldpost-no-such-line/);
  rmSync(join(probe, 'prebuilds'), { recursive: true });
  assert.match(shipped(join(probe, 'fieldpost.mjs')).stderr, /No native build was found/);
});

test('prebuilds are shipped for 64 bit and 32 bit Raspberry Pi and for x64, and for nothing else', () => {
  assert.deepEqual(readdirSync(join(folder, 'dist/prebuilds')).sort(), ['linux-arm', 'linux-arm64', 'linux-x64']);
  const arm = readdirSync(join(folder, 'dist/prebuilds/linux-arm')).join(' ');
  assert.match(arm, /armv6\.glibc/);
  assert.match(arm, /armv7\.glibc/);
});

test('the service does not hold the demo broker or certificate making', () => {
  const holds = (file: string, name: string): boolean =>
    readFileSync(join(folder, 'dist', file), 'utf8').includes(`// node_modules/${name}/`);
  assert.ok(holds('workbench.mjs', '@peculiar/x509'), 'the workbench makes certificates');
  assert.ok(!holds('fieldpost.mjs', '@peculiar/x509'), 'certificate making is in the service');
  assert.ok(!holds('fieldpost.mjs', 'aedes'), 'a broker is in the service');
});
