// `npm test`: makes the clone ready, builds, then runs node's test runner over test/**/*.test.ts.
// usage: node .ci/test.mjs [FILE ...] [option of node --test ...]
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureModules, root } from './bootstrap.mjs';
import { start } from './start.mjs';

/** What the tests start. */
const TEST_PROGRAMS = [
  'mosquitto',
  'mosquitto_pub',
  'mosquitto_rr',
  'mosquitto_sub',
  'openssl',
  'perl',
  'ssh-keygen',
  'strace',
];

/** No file of tests takes longer, milliseconds. */
const FILE_MS_MAX = 300_000;

const args = process.argv.slice(2);
const files = args.filter((arg) => !arg.startsWith('-'));

ensureModules();
const env = ensureDebian(TEST_PROGRAMS);
const built = await start(process.execPath, [join(root, '.ci/build.mjs')], { cwd: root });
if (built !== 0) process.exit(built);
process.exitCode = await start(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    '--test-concurrency=2',
    '--test-reporter=spec',
    `--test-timeout=${FILE_MS_MAX}`,
    ...args.filter((arg) => arg.startsWith('-')),
    ...(files.length > 0 ? files : allTests()),
  ],
  { cwd: root, env },
);

function allTests() {
  return readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort((a, b) => (a < b ? -1 : 1));
}
