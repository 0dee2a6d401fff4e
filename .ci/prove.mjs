// `npm run crash -- --runs N --seed S [--json]`, `npm run presence -- ...`, `npm run soak -- ...` and so on: makes the clone ready, builds, then runs
// test/<name>/main.ts with the other arguments: a proof that is too long for `npm test`, which runs a sample of it.
// usage: node .ci/prove.mjs NAME [ARGUMENTS ...]
import { join } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

/** What a proof starts, where that is more than a broker. */
const PROGRAMS = {
  arm: [
    'mosquitto',
    'perl',
    'mmdebstrap',
    'dpkg-deb',
    'qemu-aarch64-static',
    'qemu-arm-static',
    'x86_64-linux-gnu-strip',
    'aarch64-linux-gnu-strip',
  ],
  crash: ['mosquitto', 'strace', 'faketime', 'perl', 'mkfs.ext4', 'mount'],
  'deb-life': ['mmdebstrap', 'dpkg-deb', 'x86_64-linux-gnu-strip', 'aarch64-linux-gnu-strip'],
  unplug: ['perl', 'mkfifo'],
  soak: ['mosquitto', 'perl'],
  booted: ['mmdebstrap', 'systemd-nspawn', 'systemctl'],
};

const [name = '', ...args] = process.argv.slice(2);

ensureModules();
const env = ensureDebian(PROGRAMS[name] ?? ['mosquitto']);
const built = await start(process.execPath, [join(root, '.ci/build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
if (built !== 0) process.exit(built);
const main = join(root, 'test', name, 'main.ts');
process.exitCode = await start(process.execPath, ['--import', 'tsx', main, ...args], { cwd: root, env });
