// `npm run crash -- --runs N --seed S [--json]`: makes the clone ready, builds, then runs the crash matrix.
import { join } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

ensureModules();
const env = ensureDebian(['mosquitto']);
const built = await start(process.execPath, [join(root, '.ci/build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] });
if (built !== 0) process.exit(built);
const main = join(root, 'test/crash/main.ts');
process.exitCode = await start(process.execPath, ['--import', 'tsx', main, ...process.argv.slice(2)], {
  cwd: root,
  env,
});
