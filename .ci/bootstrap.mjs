// Makes a fresh clone ready on a Debian with only Node and git: the npm packages of the lock file, and the system programs
// that tests and the demo start. Nothing outside the clone is changed, except by root, which installs Debian's packages
// in the ordinary way. Uses only node:*, because it runs before node_modules exists.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { env, execPath, exit, getuid, stderr, versions } from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const NODE_MIN = [20, 19];

/** Where a program comes from when its package has another name. */
const PACKAGE_OF = {
  'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
  'dpkg-deb': 'dpkg',
  'mkfs.ext4': 'e2fsprogs',
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_rr: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  perl: 'perl-base',
  'qemu-aarch64-static': 'qemu-user-static',
  'qemu-arm-static': 'qemu-user-static',
  'ssh-keygen': 'openssh-client',
  'systemd-analyze': 'systemd',
  'systemd-nspawn': 'systemd-container',
  'x86_64-linux-gnu-strip': 'binutils-x86-64-linux-gnu',
};

/** Debian keeps daemons here; it is not on the PATH of an ordinary user. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The programs unpacked by an ordinary user. */
const LOCAL = join(root, '.local/debian');
const LOCAL_BIN = join(LOCAL, 'fieldpost-bin');

/** Ends the process with a plain sentence when Node is too old. */
export function requireNode() {
  const [major = 0, minor = 0] = versions.node.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  say(`fieldpost needs Node ${NODE_MIN.join('.')} or newer, this is ${versions.node} (${execPath})`);
  exit(1);
}

/** `npm ci`, when node_modules is missing or does not hold what package-lock.json says. */
export function ensureModules() {
  requireNode();
  const stale = staleModule();
  if (stale === undefined) return;
  say(`npm ci: ${stale}`);
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
}

/**
 * Makes sure that each program can be started, and gives the environment to start it with (PATH only). Throws when one can
 * not be had. `programs` are names of executables, e.g. `['mosquitto', 'strace']`.
 */
export function ensureDebian(programs) {
  install(
    () => missing(programs),
    (program) => PACKAGE_OF[program] ?? program,
  );
  return { PATH: searchPath().join(delimiter) };
}

/**
 * Makes sure that files which are no programs are there, such as a library's headers, and gives the environment with which
 * a compiler finds what was unpacked. `packageOf` maps a path below the root, e.g. `usr/include/MQTTAsync.h`, to its package.
 */
export function ensureDebianFiles(packageOf) {
  install(
    () => Object.keys(packageOf).filter((path) => !existsSync(join('/', path)) && !existsSync(join(LOCAL, path))),
    (path) => packageOf[path],
  );
  const include = join(LOCAL, 'usr/include');
  if (!existsSync(include)) return {};
  const libraries = run('find', [LOCAL, '-name', '*.so', '-printf', '%h\\n'], { quiet: true });
  const folders = [...new Set(libraries.split('\n').filter(Boolean))].join(':');
  return { CPATH: include, LIBRARY_PATH: folders, LD_RUN_PATH: folders };
}

/**
 * Makes sure of programs whose package depends on much that they do not use: only the packages named are unpacked into a
 * local folder, also by root. `packagesOf` maps a program to them.
 */
export function ensureUnpacked(packagesOf) {
  const wanted = missing(Object.keys(packagesOf));
  if (wanted.length > 0) {
    if (find('apt-get') === undefined) throw new Error(`not installed: ${wanted.join(', ')}`);
    say(`Debian packages, unpacked: ${wanted.join(' ')}`);
    unpack([...new Set(wanted.flatMap((program) => packagesOf[program]))], 'alone');
  }
  return { PATH: searchPath().join(delimiter) };
}

function install(stillWanted, packageOf) {
  const wanted = stillWanted();
  if (wanted.length === 0) return;
  const packages = [...new Set(wanted.map((one) => packageOf(one)))];
  if (find('apt-get') === undefined) {
    throw new Error(
      `not installed: ${wanted.join(', ')}; install them with this system's package tool, then try again`,
    );
  }
  say(`Debian packages: ${packages.join(' ')}`);
  if (getuid?.() === 0) installAsRoot(packages);
  else unpack(packages, 'whole');
  const still = stillWanted();
  if (still.length > 0) throw new Error(`still not found after installing ${packages.join(' ')}: ${still.join(', ')}`);
}

/** Why node_modules has to be made anew; undefined when it is as the lock file says. */
function staleModule() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return 'node_modules is not there';
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  for (const [folder, entry] of Object.entries(want)) {
    if (folder === '' || (entry.optional && have[folder] === undefined)) continue;
    if (have[folder]?.version !== entry.version) {
      return `${folder} is ${have[folder]?.version ?? 'not there'}, the lock file says ${entry.version}`;
    }
  }
  return undefined;
}

function searchPath() {
  return [...new Set([LOCAL_BIN, ...(env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS])].filter(Boolean);
}

function find(program) {
  return searchPath()
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });
}

function missing(programs) {
  return programs.filter((program) => find(program) === undefined);
}

/** apt-get install, without letting a daemon such as mosquitto start: invoke-rc.d asks policy-rc.d, 101 means "do not". */
function installAsRoot(packages) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    run('apt-get', [...options, 'update']);
    run('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...packages], {
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } finally {
    if (ours) rmSync(policy);
  }
}

/**
 * Downloads the packages and, unless `how` is alone, whatever they need that is not installed, unpacks them into
 * .local/debian/ and puts a small starter for each program beside them, which sets LD_LIBRARY_PATH for that program alone.
 */
function unpack(packages, how) {
  const apt = join(root, '.local/apt');
  const debs = join(apt, 'debs');
  for (const folder of [join(apt, 'lists/partial'), join(apt, 'cache/archives/partial')])
    mkdirSync(folder, { recursive: true });
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  const own = [
    '-o',
    `Dir::State::lists=${join(apt, 'lists')}`,
    '-o',
    `Dir::Cache=${join(apt, 'cache')}`,
    '-o',
    'Debug::NoLocking=1',
  ];
  run('apt-get', ['-q', ...own, 'update']);
  const plan =
    how === 'alone'
      ? ''
      : run('apt-get', ['-s', ...own, 'install', '--no-install-recommends', ...packages], { quiet: true });
  const needed = [...plan.matchAll(/^Inst (\S+)/gm)].map((found) => found[1]);
  // A package that is installed, but whose program is not there, is not in the plan.
  run('apt-get', ['-q', ...own, 'download', ...new Set([...needed, ...packages])], { cwd: debs });
  const files = run('find', [debs, '-name', '*.deb'], { quiet: true }).split('\n').filter(Boolean);
  for (const file of files) run('dpkg-deb', ['-x', file, LOCAL]);
  writeStarters();
}

function writeStarters() {
  const folders = ['usr/sbin', 'usr/bin', 'sbin', 'bin']
    .map((name) => join(LOCAL, name))
    .filter((path) => existsSync(path));
  const libraries = run('find', [LOCAL, '-name', '*.so.*', '-printf', '%h\\n'], { quiet: true });
  const search = [...new Set(libraries.split('\n').filter(Boolean))].join(':');
  mkdirSync(LOCAL_BIN, { recursive: true });
  for (const folder of folders) {
    const programs = run('find', [folder, '-mindepth', '1', '-maxdepth', '1', '-printf', '%f\\n'], { quiet: true });
    for (const program of programs.split('\n').filter(Boolean)) {
      const starter = join(LOCAL_BIN, program);
      writeFileSync(starter, `#!/bin/sh\nLD_LIBRARY_PATH='${search}' exec '${join(folder, program)}' "$@"\n`);
      chmodSync(starter, 0o755);
    }
  }
}

/** Runs to the end, its output on stderr (stdout belongs to the caller's command); throws when it fails. */
function run(program, args, { cwd, quiet = false, env: environment = env } = {}) {
  const path = find(program) ?? program;
  const stdio = ['ignore', quiet ? 'pipe' : 2, 2];
  const done = spawnSync(path, args, { cwd, env: environment, stdio, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.error) throw new Error(`${program} could not be started: ${done.error.message}`);
  if (done.status !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with status ${done.status ?? done.signal}`);
  return done.stdout ?? '';
}

function say(sentence) {
  stderr.write(`fieldpost: ${sentence}\n`);
}
