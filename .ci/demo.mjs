// `npm run demo`: makes the clone ready, builds, then runs `fieldpost demo` with the same arguments and exit status.
// Everything before the demo itself goes to stderr, so that `--json` stays clean.
import { join } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

const args = process.argv.slice(2);

ensureModules();
// The embedded broker needs no program of the system.
const env = /--broker[ =]mosquitto/.test(args.join(' ')) ? ensureDebian(['mosquitto']) : {};
const built = await start(process.execPath, [join(root, '.ci/build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
if (built !== 0) process.exit(built);
process.exitCode = await start(process.execPath, [join(root, 'dist/fieldpost.mjs'), 'demo', ...args], { env });
