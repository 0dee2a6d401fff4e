/** The demo as a user runs it: the built program, both brokers, kills of agent and broker, cuts, and a bill that has to be in order. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../src/workbench/child.ts';
import { builtProgram } from './rig/agent-process.ts';
import { temporaryDirectory } from './rig/temp.ts';
import { until } from './rig/wait.ts';

const SECONDS = 12;
/** Its time, its drain, and a busy machine. */
const DEADLINE_MS = (SECONDS + 20 + 30) * 1000;

function demo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  const [command, main] = builtProgram();
  return new Child({ command, args: [main, 'demo', ...args], env });
}

for (const broker of ['embedded', 'mosquitto']) {
  test(`the demo loses nothing and bills nothing twice with the ${broker} broker`, async (t) => {
    const run = demo(['--broker', broker, '--seconds', String(SECONDS), '--json']);
    t.after(() => run.kill9());
    await until(
      () => run.ended,
      () => `the demo to end; last: ${run.lastWords()}`,
      DEADLINE_MS,
    );
    const said = run.lines.join('\n');
    assert.equal(run.ended?.code, 0, said);
    const result = JSON.parse(run.outLines.at(-1) ?? '') as Readonly<Record<string, number>>;
    t.diagnostic(JSON.stringify(result));
    assert.equal(result['lost'], 0, said);
    assert.equal(result['duplicates'], 0, said);
    assert.equal(result['received'], result['sales'], said);
    assert.ok((result['accepted'] ?? 0) > 10, said);
    assert.ok((result['kills'] ?? 0) >= 1 && (result['cuts'] ?? 0) >= 1, said);
    assert.ok((result['broker_kills'] ?? 0) >= 1, said);
    assert.equal(typeof result['repeats'], 'number', said);
    assert.ok((result['telemetry'] ?? 0) > 0, said);
  });
}

test('an interrupted demo leaves no process and no file behind', async (t) => {
  const directory = await temporaryDirectory(t);
  const run = demo(['--seconds', '60'], { TMPDIR: directory });
  t.after(() => run.kill9());
  await run.line(/sold [1-9]/, DEADLINE_MS);
  assert.equal(readdirSync(directory).length, 1);
  run.signal('SIGINT');
  await until(() => run.ended, 'the demo to end', 10_000);
  assert.equal(run.ended?.code, 130);
  assert.deepEqual(readdirSync(directory), []);
  assert.equal(processesNaming(directory), 0);
});

test('without a mosquitto the demo says what to do and ends with status 69', async (t) => {
  const missing = join(await temporaryDirectory(t), 'mosquitto');
  const run = demo(['--broker', 'mosquitto', '--seconds', '5'], { FIELDPOST_MOSQUITTO: missing });
  await until(() => run.ended, 'the demo to end', DEADLINE_MS);
  assert.equal(run.ended?.code, 69);
  assert.match(run.lines.join('\n'), /no mosquitto.*apt install mosquitto/);
});

test('wrong arguments end with status 64 and say what is right', async () => {
  for (const args of [
    ['--broker', 'emqx'],
    ['--seconds', '0'],
    ['--seed', 'x'],
  ]) {
    const run = demo(args);
    await until(() => run.ended, 'the demo to end', DEADLINE_MS);
    assert.equal(run.ended?.code, 64);
    assert.match(run.lines.join('\n'), /usage: fieldpost demo/);
  }
});

/** Processes with this text on their command line. */
function processesNaming(text: string): number {
  const cmdlines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8');
      } catch {
        return ''; // ended in between
      }
    });
  return cmdlines.filter((cmdline) => cmdline.includes(text)).length;
}
