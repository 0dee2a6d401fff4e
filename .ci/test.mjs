// `npm test`: makes the clone ready, builds, then runs node's test runner over test/**/*.test.ts.
// usage: node .ci/test.mjs [FILE ...] [option of node --test ...]
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { ensureDebian, ensureDebianFiles, ensureModules, ensureUnpacked, root } from './bootstrap.mjs';
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

/** Independent decoders and Modbus programs: without them the tests that compare with them are skipped, and say so. */
const ORACLES = ['mbpoll'];
/** A wall clock that jumps: the same holds. */
const FAKE_TIME = ['faketime'];
/** Its package wants a desktop for other programs of it. */
const UNPACKED = { gpsdecode: ['gpsd-clients', 'libgps28', 'libusb-1.0-0', 'libbluetooth3', 'libdbus-1-3'] };
const PYTHON = 'usr/lib/python3/dist-packages';
const PYTHON_FILES = {
  [`${PYTHON}/pymodbus/__init__.py`]: 'python3-pymodbus',
  [`${PYTHON}/serial_asyncio/__init__.py`]: 'python3-serial-asyncio',
};

/** No file of tests takes longer, milliseconds. */
const FILE_MS_MAX = 300_000;

/** What judges the units of systemd/: without it those tests are skipped, and say so. */
const JUDGES = ['systemd-analyze'];

const args = process.argv.slice(2);
const files = args.filter((arg) => !arg.startsWith('-'));

ensureModules();
const env = { ...ensureDebian(TEST_PROGRAMS), ...oracles(), ...judges() };
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

function oracles() {
  try {
    ensureDebianFiles(PYTHON_FILES);
    ensureDebian([...ORACLES, ...FAKE_TIME]);
    return { ...ensureUnpacked(UNPACKED), PYTHONPATH: join(root, '.local/debian', PYTHON) };
  } catch (error) {
    process.stderr.write(`fieldpost: ${error.message}; what needs them is skipped\n`);
    return {};
  }
}

function judges() {
  try {
    return ensureDebian(JUDGES);
  } catch (error) {
    process.stderr.write(`fieldpost: ${error.message}; what is judged by it is skipped\n`);
    return {};
  }
}

function allTests() {
  return readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort((a, b) => (a < b ? -1 : 1));
}
