// `npm run bench -- <name> [--json]`: makes the clone ready, builds, then runs bench/<name>.ts with the other arguments.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureDebianFiles, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

const [name = '', ...args] = process.argv.slice(2);
const file = join(root, 'bench', `${name}.ts`);

if (name === '' || name.includes('/') || !existsSync(file)) {
  const names = readdirSync(join(root, 'bench'))
    .filter((entry) => entry.endsWith('.ts'))
    .map((entry) => entry.slice(0, -'.ts'.length));
  process.stderr.write(`usage: npm run bench -- <name> [--json]\nnames: ${names.join(', ') || 'none yet'}\n`);
  process.exit(64);
}
ensureModules();
// A benchmark that speaks of Mosquitto, of Paho's C library or of pyserial gets it; the others run without.
const text = readFileSync(file, 'utf8');
const paho = text.includes('libpaho-mqtt-dev');
const serial = text.includes('python3-serial');
/** Clients in Python read the line as well: both packages. */
const pahoPython = text.includes('python3-paho-mqtt');
const PYTHON = 'usr/lib/python3/dist-packages';
const env = {
  ...(serial
    ? {
        ...ensureDebianFiles({
          [`${PYTHON}/serial/__init__.py`]: 'python3-serial',
          'usr/include/stdio.h': 'libc6-dev',
        }),
        ...ensureDebian(['gcc', 'perl']),
        PYTHONPATH: join(root, '.local/debian', PYTHON),
      }
    : {}),
  ...(pahoPython
    ? {
        ...ensureDebianFiles({
          [`${PYTHON}/serial/__init__.py`]: 'python3-serial',
          [`${PYTHON}/paho/mqtt/client.py`]: 'python3-paho-mqtt',
        }),
        PYTHONPATH: join(root, '.local/debian', PYTHON),
      }
    : {}),
  ...(paho
    ? ensureDebianFiles({ 'usr/include/MQTTAsync.h': 'libpaho-mqtt-dev', 'usr/include/stdio.h': 'libc6-dev' })
    : {}),
  ...(text.includes('mosquitto') ? ensureDebian(paho ? ['mosquitto', 'gcc'] : ['mosquitto']) : {}),
};
const built = await start(process.execPath, [join(root, '.ci/build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
if (built !== 0) process.exit(built);
process.exitCode = await start(process.execPath, ['--import', 'tsx', file, ...args], { cwd: root, env });
