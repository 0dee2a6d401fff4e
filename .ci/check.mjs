// `npm run check`: everything that is judged without running the agent. One line a step; a step that fails prints what it
// said, the others still run, and the exit status is 1.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ensureModules, root } from './bootstrap.mjs';

const node = process.execPath;
const bin = (name) => join(root, 'node_modules/.bin', name);

const STEPS = [
  { name: 'types', command: [bin('tsc'), '--project', '.'] },
  { name: 'lint', command: [bin('oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'format', command: [bin('biome'), 'format', '.'] },
  { name: 'unused code', command: [bin('knip'), '--no-progress'] },
  { name: 'architecture', command: [node, '--import', 'tsx', '--test', 'test/architecture.test.ts'] },
  { name: 'schema', command: [node, '--import', 'tsx', '.ci/schema.ts', '--check'], needs: '.ci/schema.ts' },
];

ensureModules();
const steps = STEPS.filter((step) => step.needs === undefined || existsSync(join(root, step.needs)));
let failed = 0;
for (const step of steps) {
  const startedMs = performance.now();
  const { status, said } = await run(step.command);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'}  ${step.name} (${seconds} s)\n`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(said);
}
process.stdout.write(failed === 0 ? 'check: all steps passed\n' : `check: ${failed} of ${steps.length} steps failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function run([program, ...args]) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' };
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        said += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, said }));
  });
}
