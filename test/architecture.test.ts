/**
 * Holds the shape of the code: which folder may import which, who may touch node:*, packages, clocks and chance, how long a
 * file may be, and that imports go in no circle. Every rule is also shown able to fail, on a planted file.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const LINES_MAX = 400;

/** Files that every part may import: types, bounds, and arithmetic without any touch of the world. */
const COMMON = [
  'ports.ts',
  'ports-broker.ts',
  'ports-line.ts',
  'limits.ts',
  'fault.ts',
  'backoff.ts',
  'json-text.ts',
  'redacted.ts',
  'bytes-text.ts',
  'broker-url.ts',
  'version.ts',
];

/**
 * Who may import whom, beside its own folder and COMMON. `X (types)` allows only types of X. A name with a slash or a dot is
 * one file.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  config: [],
  serial: [],
  sensor: ['serial (types)', 'broker/topics.ts'],
  telemetry: ['sensor (types)', 'broker/topics.ts'],
  clock: [],
  ledger: [],
  delivery: ['ledger', 'broker/topics.ts'],
  broker: [],
  // Durations in arguments are written as in device.json.
  command: ['broker/topics.ts', 'config (types)', 'config/units.ts', 'remote (types)'],
  // What may be changed from afar, and on trial: device.json is judged by config alone.
  remote: ['config'],
  status: ['config (types)'],
  // The ledger names what it needs of a disk in its own words; the platform implements that.
  platform: ['config (types)', 'clock/quality.ts', 'ledger/files.ts (types)', 'remote/disk.ts (types)'],
  'agent.ts': [
    'agent-commands.ts',
    'agent-link.ts',
    'agent-sensors.ts',
    'clock',
    'command/json-schema.ts',
    'config',
    'telemetry',
    'remote (types)',
    'ledger',
    'delivery',
    'broker',
    'status',
  ],
  'agent-commands.ts': ['config (types)', 'remote (types)', 'command', 'broker (types)', 'broker/topics.ts'],
  'agent-link.ts': ['config (types)', 'ledger (types)', 'delivery', 'broker'],
  'agent-sensors.ts': ['config (types)', 'serial', 'sensor', 'telemetry', 'broker/topics.ts'],
  // The reference consumer is a program of its own; it shares the ledger's arithmetic of sequences, hashes and keys.
  collect: ['ledger', 'broker/topics.ts', 'platform/directories.ts', 'platform/durable-file.ts'],
  // The sub-commands of an installer run one sensor without the agent.
  cli: [
    'agent.ts',
    'clock',
    'platform',
    'config',
    'remote',
    'broker/topics.ts',
    'broker/ulid.ts',
    'ledger',
    'delivery/guarantee.ts',
    'collect',
    'workbench',
    'sensor',
    'serial',
  ],
  // The demo ships inside the workbench.
  demo: ['agent.ts', 'platform', 'config', 'broker/topics.ts', 'ledger', 'workbench'],
  workbench: ['agent.ts', 'platform', 'config', 'broker/topics.ts', 'ledger', 'demo'],
  'main.ts': ['cli', 'platform', 'config'],
};

/** Folders at the edge: they import node:* and packages, and read clocks, chance, timers and the process. */
const EDGE: Readonly<Record<string, string>> = {
  platform: 'it is where the ports are implemented',
  collect: 'it writes files; what it decides is in book.ts and event-text.ts',
  cli: 'a sub-command reads arguments, files and streams; it holds no logic of the agent',
  demo: 'it starts and kills processes',
  workbench: 'brokers, meters and faults to try the agent with; the service never loads it',
  'main.ts': 'it is the process',
};

/** What a folder in the middle may import all the same. */
const EXEMPT: readonly { readonly where: string; readonly module: string; readonly why: string }[] = [
  { where: '*', module: 'node:assert', why: 'says what only a bug can break; touches nothing' },
  { where: '*', module: 'node:buffer', why: 'bytes; touches nothing' },
  { where: 'config', module: 'valibot', why: 'the schema is written in it; pure' },
  { where: 'command', module: 'valibot', why: "a command's arguments are judged by a schema; pure" },
  { where: 'command', module: '@valibot/to-json-schema', why: 'turns one description into another; pure' },
  {
    where: 'command',
    module: 'node:crypto',
    why: 'whether a request is the same one again; a pure function over bytes',
  },
  { where: 'remote', module: 'valibot', why: 'its documents on disk are judged by a schema; pure' },
  { where: 'remote', module: 'node:crypto', why: 'sha256 over bytes is a pure function' },
  { where: 'ledger', module: 'node:crypto', why: 'sha256 of the chain is a pure function over bytes; nothing to fake' },
];

/** The ready-made sensors are data, and built in. Beside src/, and the only thing there that may be imported. */
const PROFILE = /^\.\.\/config\/sensors\/[a-z0-9-]+\.json$/;

/** Globals that reach the world. `new Date(x)` is arithmetic, `new Date()` reads a clock. */
const WORLD =
  /\b(?:Date\.now\s*\(|new Date\(\)|Math\.random\s*\(|performance\.now\s*\(|set(?:Timeout|Interval|Immediate)\s*\(|process\.\w|fetch\s*\()/;

type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly target: string;
  readonly typesOnly: boolean;
}

/** Every breach of the rules, as one sentence each. `sources`: path below src/ to text. */
function breaches(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    const code = withoutComments(text);
    const imports = importsOf(code);
    found.push(...importBreaches(path, imports), ...textBreaches(path, text, code));
    for (const { target } of imports) {
      const file = resolveImport(path, target);
      if (file !== undefined && PROFILE.test(file)) continue;
      if (file !== undefined && !sources.has(file)) found.push(`${path} imports ${target}, which is not in src/`);
    }
  }
  found.push(...circles(sources));
  return found;
}

function importBreaches(path: string, imports: readonly Import[]): string[] {
  const from = partOf(path);
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined && !COMMON.includes(path)) return [`${path} is in no part of the table`];
  const found: string[] = [];
  for (const { target, typesOnly } of imports) {
    const file = resolveImport(path, target);
    if (file === undefined) {
      if (!mayImportModule(from, target)) found.push(`${path} imports ${target}; only the edge may`);
      continue;
    }
    const to = partOf(file);
    if (from === 'config' && PROFILE.test(file)) continue;
    if (COMMON.includes(file) || to === from) continue;
    if (allowed?.some((entry) => entry === to || entry === file)) continue;
    if (typesOnly && allowed?.some((entry) => entry === `${to} (types)` || entry === `${file} (types)`)) continue;
    found.push(`${path} imports ${file}; ${from} may not${typesOnly ? '' : ' (or only its types)'}`);
  }
  return found;
}

function textBreaches(path: string, text: string, code: string): string[] {
  const found: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > LINES_MAX) found.push(`${path} has ${lines} lines, at most ${LINES_MAX}`);
  if (/^export default\b/m.test(code)) found.push(`${path} has a default export`);
  if (path !== 'main.ts' && /\bprocess\.(?:exit|abort|reallyExit)\s*\(/.test(code)) {
    found.push(`${path} ends the process; only main.ts may`);
  }
  const world = WORLD.exec(withoutTexts(code));
  if (EDGE[partOf(path)] === undefined && world !== null)
    found.push(`${path} uses ${world[0]}; it must come through a port`);
  return found;
}

function mayImportModule(from: string, module: string): boolean {
  if (EDGE[from] !== undefined) return true;
  return EXEMPT.some((entry) => (entry.where === '*' || entry.where === from) && entry.module === module);
}

/** Circles of imports at run time. Types vanish before the code runs, so they may point back. */
function circles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push(`circle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const { target, typesOnly } of importsOf(withoutComments(sources.get(path) ?? ''))) {
      const file = resolveImport(path, target);
      if (file !== undefined && !typesOnly) visit(file, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

function importsOf(code: string): Import[] {
  const found: Import[] = [];
  const statements = /^(?:import|export)\s+(type\s+)?([\w*{][^;'"]*?)\s+from\s+['"]([^'"]+)['"]/gm;
  for (const [, type, clause = '', target = ''] of code.matchAll(statements)) {
    const names = /^\{([^}]*)\}$/
      .exec(clause.trim())?.[1]
      ?.split(',')
      .map((name) => name.trim());
    const allTypes = names?.filter(Boolean).every((name) => name.startsWith('type ')) ?? false;
    found.push({ target, typesOnly: type !== undefined || allTypes });
  }
  for (const [, target = ''] of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) found.push({ target, typesOnly: false });
  for (const [, target = ''] of code.matchAll(/\b(?:import|require)\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ target, typesOnly: false });
  }
  return found;
}

/** The path below src/ of a relative import; undefined for node:* and packages. */
function resolveImport(from: string, target: string): string | undefined {
  return target.startsWith('.') ? posix.join(posix.dirname(from), target) : undefined;
}

function partOf(path: string): string {
  return path.split('/')[0] ?? path;
}

function withoutComments(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\s\/\/ .*$/gm, '');
}

function withoutTexts(code: string): string {
  return code.replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");
}

function sourcesOnDisk(): Sources {
  const folder = join(ROOT, 'src');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [relative(folder, file).replaceAll('\\', '/'), readFileSync(file, 'utf8')]));
}

test('every file of src keeps to the table of imports and the rules of shape', () => {
  const sources = sourcesOnDisk();
  assert.ok(sources.size > 20, `only ${sources.size} files were found`);
  assert.deepEqual(breaches(sources), []);
});

/** Each rule with a file that breaks it, the sentence it must give, and a near miss that must pass. */
const PLANTED: readonly { rule: string; files: Record<string, string>; says: RegExp | undefined }[] = [
  {
    rule: 'a part imports one it may not',
    files: { 'serial/a.ts': "import { b } from '../ledger/b.ts';" },
    says: /serial may not/,
  },
  {
    rule: 'types only',
    files: { 'sensor/a.ts': "import { b } from '../serial/b.ts';", 'serial/b.ts': '' },
    says: /sensor may not \(or only its types\)/,
  },
  {
    rule: 'types pass',
    files: { 'sensor/a.ts': "import type { B } from '../serial/b.ts';", 'serial/b.ts': '' },
    says: undefined,
  },
  {
    rule: 'inline types pass',
    files: { 'sensor/a.ts': "import {\n  type A,\n  type B,\n} from '../serial/b.ts';", 'serial/b.ts': '' },
    says: undefined,
  },
  {
    rule: 'inline types mixed',
    files: { 'sensor/a.ts': "import { type A, b } from '../serial/b.ts';", 'serial/b.ts': '' },
    says: /sensor may not/,
  },
  {
    rule: 'one file of a part',
    files: { 'delivery/a.ts': "import { b } from '../broker/connection.ts';" },
    says: /delivery may not/,
  },
  {
    rule: 'one file passes',
    files: { 'delivery/a.ts': "import { b } from '../broker/topics.ts';", 'broker/topics.ts': '' },
    says: undefined,
  },
  { rule: 're-export counts', files: { 'status/a.ts': "export { b } from '../ledger/b.ts';" }, says: /status may not/ },
  {
    rule: 'dynamic import counts',
    files: { 'status/a.ts': "const b = await import('../ledger/b.ts');" },
    says: /status may not/,
  },
  {
    rule: 'the agent takes its ports from outside',
    files: { 'agent.ts': "import { b } from './platform/b.ts';" },
    says: /agent.ts may not/,
  },
  {
    rule: 'the platform knows no logic',
    files: { 'platform/a.ts': "import { b } from '../delivery/b.ts';" },
    says: /platform may not/,
  },
  {
    rule: 'node:* in the middle',
    files: { 'delivery/a.ts': "import { readFileSync } from 'node:fs';" },
    says: /imports node:fs; only the edge/,
  },
  {
    rule: 'a package in the middle',
    files: { 'broker/a.ts': "import { connect } from 'mqtt';" },
    says: /imports mqtt; only the edge/,
  },
  {
    rule: 'an exemption is for its folder',
    files: { 'sensor/a.ts': "import * as v from 'valibot';" },
    says: /imports valibot/,
  },
  { rule: 'an exemption passes', files: { 'config/a.ts': "import * as v from 'valibot';" }, says: undefined },
  {
    rule: 'a clock in the middle',
    files: { 'ledger/a.ts': 'const now = Date.now();' },
    says: /uses Date.now\(; it must come through a port/,
  },
  { rule: 'a timer in the middle', files: { 'telemetry/a.ts': 'setTimeout(run, 5);' }, says: /uses setTimeout\(/ },
  {
    rule: 'the word in a comment or text passes',
    files: { 'ledger/a.ts': "// Date.now() jumps\nconst a = 'Date.now()';" },
    says: undefined,
  },
  {
    rule: 'arithmetic with dates passes',
    files: { 'ledger/a.ts': 'const a = new Date(wallMs).toISOString();' },
    says: undefined,
  },
  { rule: 'a long file', files: { 'ledger/a.ts': 'const a = 1;\n'.repeat(LINES_MAX + 1) }, says: /has 401 lines/ },
  { rule: 'process.exit outside main.ts', files: { 'cli/a.ts': 'process.exit(1);' }, says: /ends the process/ },
  { rule: 'process.exit in main.ts passes', files: { 'main.ts': 'process.exit(1);' }, says: undefined },
  { rule: 'a default export', files: { 'ledger/a.ts': 'export default 1;' }, says: /default export/ },
  {
    rule: 'a circle',
    files: { 'ledger/a.ts': "import { b } from './b.ts';", 'ledger/b.ts': "import { a } from './a.ts';" },
    says: /circle: ledger\/a.ts -> ledger\/b.ts -> ledger\/a.ts/,
  },
  {
    rule: 'a circle of types passes',
    files: { 'ledger/a.ts': "import { b } from './b.ts';", 'ledger/b.ts': "import type { A } from './a.ts';" },
    says: undefined,
  },
  { rule: 'a new folder', files: { 'util/a.ts': '' }, says: /in no part of the table/ },
  { rule: 'an import of a test', files: { 'cli/a.ts': "import { b } from '../../test/b.ts';" }, says: /not in src/ },
];

for (const { rule, files, says } of PLANTED) {
  test(`planted: ${rule}`, () => {
    const found = breaches(new Map(Object.entries(files)));
    if (says === undefined) assert.deepEqual(found, []);
    else
      assert.ok(
        found.some((sentence) => says.test(sentence)),
        `expected ${says}, found ${JSON.stringify(found)}`,
      );
  });
}
