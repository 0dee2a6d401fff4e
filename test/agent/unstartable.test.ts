/**
 * A device.json that is valid and that no agent can be started on: a ledger that can not be made, or not be opened. Whoever asks
 * a working agent for a restart or a reload does not lose it; a start of the process tries again until the disk is there, and
 * sells into no other ledger meanwhile.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { until } from '../rig/wait.ts';
import { ask, configure, type Document } from './operator.ts';
import { answered, degraded, received, sell } from './sales.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
/** No directory can be made there, by nobody. */
const NOWHERE = '/proc/none/ledger';

async function atWork(t: TestContext, more: object = {}): Promise<Stage> {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'agent.restart': 'on', 'config.set': 'on' }, ...more }));
  stage.agent.start();
  await born(stage, 1);
  await sold(stage, 1);
  return stage;
}

async function born(stage: Stage, times: number): Promise<void> {
  const births = (): number =>
    stage.seen().filter(({ topic, payload }) => topic.endsWith('/up/status') && payload['connects'] === times).length;
  await until(
    () => births() > 0,
    () => `connection ${times}; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
}

async function sold(stage: Stage, seq: number): Promise<void> {
  await sell(stage, seq);
  await until(
    () => answered(stage, seq) && received(stage).includes(seq),
    () => `sale ${seq}`,
    DEADLINE_MS,
  );
}

/** The ledger moves, small documents stay. */
async function moveLedger(stage: Stage, dir: string): Promise<void> {
  const state = { dir: join(stage.directory, 'state') };
  await configure(stage, ({ ledger }) => ({ state, ledger: { ...(ledger as object), dir } }));
}

/** A file that looks as if it could be opened for writing, and can not: the system runs it (ETXTBSY). */
async function openToNobody(t: TestContext, directory: string): Promise<() => void> {
  const path = join(directory, 'running.seg');
  await mkdir(directory);
  await copyFile('/bin/sleep', path);
  await chmod(path, 0o755);
  const child = spawn(path, ['300'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const end = (): void => void child.kill('SIGKILL');
  t.after(end);
  return end;
}

function isDegraded(stage: Stage, expected: boolean): Promise<unknown> {
  const isSo = (): boolean => degraded(stage).includes('config.invalid') === expected;
  return until(isSo, () => `config.invalid: ${expected}; ${stage.agent.child.lastWords()}`, DEADLINE_MS);
}

test('agent.restart is rejected and a reload refused while the ledger that device.json names can not be made', async (t) => {
  const stage = await atWork(t);
  const good = await readFile(stage.config, 'utf8');
  await moveLedger(stage, NOWHERE);
  const { status, error } = await ask(stage, 'agent.restart', 'r1');
  assert.equal(status, 'rejected');
  assert.equal((error as Document)['code'], 'config.invalid');
  assert.match(String((error as Document)['message']), /^ledger \/proc\/none\/ledger: can not be made: ENOENT/);
  stage.agent.signal('SIGHUP');
  await isDegraded(stage, true);
  assert.match(stage.agent.child.lastWords(), /can not be run: .* problems=.*\/proc\/none\/ledger/);
  await sold(stage, 2);
  await writeFile(stage.config, good);
  stage.agent.signal('SIGHUP');
  await isDegraded(stage, false);
  await sold(stage, 3);
  assert.equal(stage.agent.child.ended, undefined);
  assert.equal((await ask(stage, 'agent.restart', 'r2'))['status'], 'succeeded');
  assert.equal((await stage.agent.child.exited).code, 0);
});

test('what only a start finds out undoes the reload: the agent runs on the ledger that it had', async (t) => {
  const stage = await atWork(t);
  const good = await readFile(stage.config, 'utf8');
  const other = join(stage.directory, 'other');
  const release = await openToNobody(t, other);
  await moveLedger(stage, other);
  stage.agent.signal('SIGHUP');
  await isDegraded(stage, true);
  await sold(stage, 2);
  const events = stage.seen().filter(({ topic }) => topic.endsWith('/up/event/sale'));
  assert.ok(stage.agent.child.lines.some((line) => line.includes('what ran before it was read again is run')));
  assert.deepEqual(new Set(events.map(({ payload }) => payload['epoch'])).size, 1);
  release();
  await writeFile(stage.config, good);
  stage.agent.signal('SIGHUP');
  await isDegraded(stage, false);
  await sold(stage, 3);
});

test('a start of the process waits for its ledger: it ends with 74 and sells into no other one, though one is known', async (t) => {
  const stage = await atWork(t);
  await stage.agent.term();
  await moveLedger(stage, NOWHERE);
  const files = await readFile(join(stage.directory, 'state/config/last.json'));
  for (let start = 0; start < 2; start += 1) {
    stage.agent.start();
    assert.equal((await stage.agent.child.exited).code, 74);
    assert.match(stage.agent.child.lastWords(), /ledger \/proc\/none\/ledger: can not be made/);
  }
  assert.deepEqual(await readFile(join(stage.directory, 'state/config/last.json')), files);
  await moveLedger(stage, stage.ledgerDirectory);
  stage.agent.start();
  await sold(stage, 2);
});
