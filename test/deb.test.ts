/**
 * The Debian package, as it is built for this kind of machine with the distribution's Node.js: what is in it, what dpkg is
 * told, and that it is the same bytes each time. `npm run deb-life` installs, upgrades, removes and purges it.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { judge } from '../.ci/deb/lint.ts';
import { debianVersionOf, planPackages } from '../.ci/deb/plan.ts';
import { enabledUnits, systemFiles } from '../.ci/deb/units.ts';

const ROOT = resolve(import.meta.dirname, '..');
const MAIN = join(ROOT, '.ci/deb/main.ts');
const BUILD_MS_MAX = 60_000;
const FILE = 'fieldpost_3.2.1-1_amd64.deb';

let folder = '';
let tree = '';

function build(out: string, ...args: string[]): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, ['--import', 'tsx', MAIN, '--out', out, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
    env: { ...process.env, SOURCE_DATE_EPOCH: '1790000000' },
  });
}

function tell(...args: string[]): string {
  return execFileSync('dpkg-deb', args, { encoding: 'utf8' });
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldpost-deb-'));
  const made = build(folder, '--arch', 'amd64', '--node', 'distribution', '--version', '3.2.1');
  assert.equal(made.status, 0, String(made.stderr));
  tree = join(folder, 'tree');
  tell('-R', join(folder, FILE), tree);
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('the package holds the program, one serial binding, units, man pages, and an example as its only configuration file', () => {
  const entries = tell('-c', join(folder, FILE)).split('\n').filter(Boolean);
  const modes = new Map(entries.map((line) => [line.split(/\s+/)[5]?.slice(1), line.slice(0, 10)]));
  for (const line of entries) assert.match(line, /^\S+ root\/root /);
  const wanted: Readonly<Record<string, string>> = {
    '/usr/bin/fieldpost': '-rwxr-xr-x',
    '/usr/lib/fieldpost/fieldpost.mjs': '-rw-r--r--',
    '/usr/lib/fieldpost/workbench.mjs': '-rw-r--r--',
    '/usr/lib/systemd/system/fieldpost.service': '-rw-r--r--',
    '/usr/lib/udev/rules.d/60-fieldpost.rules': '-rw-r--r--',
    '/usr/share/man/man1/fieldpost.1.gz': '-rw-r--r--',
    '/usr/share/man/man5/device.json.5.gz': '-rw-r--r--',
    '/usr/share/doc/fieldpost/changelog.Debian.gz': '-rw-r--r--',
    '/usr/share/doc/fieldpost/copyright': '-rw-r--r--',
    '/usr/share/doc/fieldpost/OPERATIONS.md.gz': '-rw-r--r--',
    '/usr/share/fieldpost/device.schema.json': '-rw-r--r--',
    '/etc/fieldpost/': 'drwxr-x---',
    '/etc/fieldpost/tls/': 'drwxr-x---',
    '/etc/fieldpost/device.json': '-rw-r--r--',
  };
  for (const [path, mode] of Object.entries(wanted)) assert.equal(modes.get(path), mode, path);
  assert.deepEqual(
    [...modes.keys()].filter((path) => path?.endsWith('.node')),
    ['/usr/lib/fieldpost/prebuilds/linux-x64/@serialport+bindings-cpp.glibc.node'],
  );
  assert.equal(readFileSync(join(tree, 'DEBIAN/conffiles'), 'utf8'), '/etc/fieldpost/device.json\n');
  for (const { to } of systemFiles(ROOT, false)) assert.ok(modes.has(`/${to}`), to);
});

test('dpkg is told what the package needs, and the sum of each file', () => {
  const field = (name: string): string => tell('-f', join(folder, FILE), name).trim();
  assert.equal(field('Version'), '3.2.1-1');
  assert.equal(field('Architecture'), 'amd64');
  assert.match(field('Depends'), /(^|, )nodejs \(>= 20\.19\)(,|$)/);
  const sums = spawnSync('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: tree, encoding: 'utf8' });
  assert.equal(sums.status, 0, sums.stdout + sums.stderr);
  assert.ok(readFileSync(join(tree, 'DEBIAN/md5sums'), 'utf8').split('\n').length > 30);
});

test('the packed program tells the version of the package and takes the example for a sound configuration', () => {
  const run = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [join(tree, 'usr/lib/fieldpost/fieldpost.mjs'), ...args], { encoding: 'utf8' });
  assert.equal(run('--version').stdout, 'fieldpost 3.2.1\n');
  // Of the example only the certificates are not there.
  const checked = run('check', '--json', '--config', join(tree, 'etc/fieldpost/device.json'));
  const { problems } = JSON.parse(String(checked.stdout)) as {
    readonly problems: readonly { readonly message: string }[];
  };
  assert.equal(checked.status, 78);
  for (const { message } of problems) assert.match(message, /\/etc\/fieldpost\/tls\//);
});

test('maintainer scripts are sound shell and name every unit that has an [Install] section', () => {
  const units = enabledUnits(systemFiles(ROOT, false));
  assert.ok(units.includes('fieldpost.service'));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    const path = join(tree, 'DEBIAN', script);
    execFileSync('sh', ['-n', path]);
    assert.match(readFileSync(path, 'utf8'), new RegExp(`^UNITS='${units.join(' ')}'$`, 'm'));
  }
});

test('the same sources make the same bytes', () => {
  const again = join(folder, 'again');
  assert.equal(build(again, '--arch', 'amd64', '--node', 'distribution', '--version', '3.2.1').status, 0);
  assert.deepEqual(readdirSync(again), [FILE]);
  assert.ok(readFileSync(join(again, FILE)).equals(readFileSync(join(folder, FILE))));
});

test('the package with its own Node.js starts that one, and no unit is left on another', () => {
  const texts = systemFiles(ROOT, true).map(({ text }) => text);
  const started = texts.flatMap((text) => text.match(/^Exec\w+=.*$/gm) ?? []).filter((line) => line.includes('node '));
  assert.ok(started.length > 0);
  for (const line of started) assert.match(line, /[= ]\/usr\/lib\/fieldpost\/node /);
});

test('versions sort as they must: a candidate before its release, Node.js inside a little before the distribution’s', () => {
  const sorted = [
    debianVersionOf('1.2.0-rc.1', 'bundled', '22.1.0'),
    debianVersionOf('1.2.0-rc.1', 'distribution', '22.1.0'),
    debianVersionOf('1.2.0', 'bundled', '22.1.0'),
    debianVersionOf('1.2.0', 'distribution', '22.1.0'),
    debianVersionOf('1.2.1', 'bundled', '22.1.0'),
  ];
  for (const [at, version] of sorted.slice(1).entries()) {
    execFileSync('dpkg', ['--compare-versions', sorted[at] ?? '', 'lt', version]);
  }
});

const judges = ['lintian', 'mandoc'].filter((program) => spawnSync('which', [program]).status !== 0);

test('lintian and mandoc have nothing to complain of', {
  skip: judges.length > 0 && `${judges.join(' and ')} not installed: npm run deb -- --lint`,
}, () => {
  assert.deepEqual(judge(join(folder, FILE)), []);
});

test('what can not be had is refused by name', () => {
  const wanted = { architectures: [], nodes: [], version: '1.0.0', nodeVersion: '22.1.0' };
  assert.deepEqual(
    planPackages(wanted).map(({ architecture, node }) => `${architecture} ${node}`),
    ['amd64 distribution', 'amd64 bundled', 'arm64 distribution', 'arm64 bundled', 'armhf distribution'],
  );
  assert.throws(() => planPackages({ ...wanted, architectures: ['armhf'], nodes: ['bundled'] }), /20\.19/);
  assert.throws(
    () => planPackages({ ...wanted, architectures: ['mips'] }),
    /--arch: must be amd64, arm64, armhf, got "mips"/,
  );
  assert.throws(() => planPackages({ ...wanted, version: '1.0' }), /--version: must be a version such as/);
});
