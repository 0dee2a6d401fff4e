// `npm run deb [-- --arch amd64|arm64|armhf] [--node distribution|bundled] [--version V] [--out DIR] [--lint] [--json]`: makes
// the clone ready, then builds Debian packages with .ci/deb/main.ts.
import { join } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

const args = process.argv.slice(2);

ensureModules();
// Only a package with Node.js in it takes long, and needs these.
const bundles = !/--node[ =]distribution/.test(args.join(' '));
const env = ensureDebian([
  'dpkg-deb',
  ...(bundles ? ['x86_64-linux-gnu-strip', 'aarch64-linux-gnu-strip'] : []),
  ...(args.includes('--lint') ? ['lintian', 'mandoc'] : []),
]);
const main = join(root, '.ci/deb/main.ts');
process.exitCode = await start(process.execPath, ['--import', 'tsx', main, ...args], { cwd: root, env });
