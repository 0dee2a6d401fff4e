/**
 * A changing command on a real Mosquitto, the agent ended by SIGKILL at the synced writes of its command ledger: it is run
 * once or not at all, the broker's resend and the operator's repeat included, and the audit says what became of it.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { endAgent } from '../crash/scene.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
const ROOT = 'fp/v1/pump-42';
const REPLAY = `${ROOT}/down/command/events.replay/r1`;
const REQUEST = '{"args":{"from":2,"to":2},"by":"ops"}';

type Document = Readonly<Record<string, unknown>>;

/** A device that has sold once, with `events.replay` on. */
async function soldOnce(t: TestContext): Promise<Stage> {
  // strace counts the calls of each thread by itself: file work is done by one.
  const stage = await setStage(t, { env: { UV_THREADPOOL_SIZE: '1' } });
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await writeFile(stage.config, JSON.stringify({ ...document, commands: { 'events.replay': 'on' } }));
  stage.agent.start();
  await stage.meter('{"k":"sale","boot":"b","seq":1,"ml":1000,"cents":150}');
  await until(() => sales(stage).length === 1, 'the sale', DEADLINE_MS);
  await stage.agent.term();
  return stage;
}

function sales(stage: Stage): readonly Document[] {
  return stage
    .seen()
    .filter(({ topic }) => topic === `${ROOT}/up/event/sale`)
    .map(({ payload }) => payload);
}

function answers(stage: Stage): readonly Document[] {
  return stage
    .seen()
    .filter(({ topic }) => topic === `${ROOT}/up/response/events.replay/r1`)
    .map(({ payload }) => payload)
    .filter(({ status }) => status !== 'accepted');
}

async function publish(stage: Stage, payload: string): Promise<void> {
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-q', '1', '-t', REPLAY, '-m', payload],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

/** Ends a life of the agent at the nth sync of a new document of the command ledger. */
async function killedAt(stage: Stage, nth: number): Promise<void> {
  const path = join(stage.directory, 'state/commands.json.new');
  const inject = `inject=fsync:signal=SIGKILL:when=${nth}`;
  stage.agent.start(['strace', '-f', '-o', '/dev/null', '-P', path, '-e', 'trace=fsync', '-e', inject]);
  try {
    await stage.agent.child.line(/broker connected/, DEADLINE_MS);
    await publish(stage, REQUEST);
    await until(() => stage.agent.child.ended, 'the kill', DEADLINE_MS);
  } finally {
    await endAgent(stage.agent);
  }
}

async function nextAnswer(stage: Stage, already: number): Promise<Document> {
  return until(
    () => answers(stage)[already],
    () => `an answer; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
}

async function audits(stage: Stage, count: number): Promise<readonly unknown[]> {
  const all = (): readonly Document[] =>
    stage
      .seen()
      .filter(({ topic }) => topic === `${ROOT}/up/event/audit`)
      .map(({ payload }) => payload['data'] as Document);
  await until(() => all().length >= count, `${count} audit events`, DEADLINE_MS);
  return all().map((data) => (data['status'] as { readonly value: string }).value);
}

test('killed before it is on disk that a command runs, it has not run: the next delivery runs it, once', async (t) => {
  const stage = await soldOnce(t);
  await killedAt(stage, 1);
  assert.deepEqual([answers(stage).length, sales(stage).length], [0, 1]);
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await publish(stage, REQUEST);
  // The broker may send the first one again by itself: which of the two is run does not matter.
  const first = await until(
    () => answers(stage).find(({ status, repeated }) => status === 'succeeded' && repeated === false),
    () => `the outcome; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
  await until(() => sales(stage).length === 2, 'the replay', DEADLINE_MS);
  assert.deepEqual(await audits(stage, 1), ['succeeded']);

  // The same over restarts, killed or not.
  for (const restart of [() => stage.agent.kill9(), () => stage.agent.term()]) {
    await restart();
    const already = answers(stage).length;
    stage.agent.start();
    await stage.agent.child.line(/broker connected/, DEADLINE_MS);
    await publish(stage, REQUEST);
    assert.deepEqual(await nextAnswer(stage, already), { ...first, repeated: true });
  }
  await publish(stage, '{"args":{"from":1,"to":2}}');
  const other = await until(
    () => answers(stage).find(({ status }) => status === 'rejected'),
    'the answer to the other request',
    DEADLINE_MS,
  );
  assert.equal((other['error'] as Document)['code'], 'command.id-reused');
  assert.equal(sales(stage).length, 2);
  assert.deepEqual(await audits(stage, 1), ['succeeded']);
});

test('killed while a command runs, it is in doubt after every restart and is not run again', async (t) => {
  const stage = await soldOnce(t);
  await killedAt(stage, 2);
  assert.equal(answers(stage).length, 0);
  for (let start = 0; start < 3; start += 1) {
    const already = answers(stage).length;
    stage.agent.start();
    await stage.agent.child.line(/broker connected/, DEADLINE_MS);
    await publish(stage, REQUEST);
    const { status, repeated, error } = await nextAnswer(stage, already);
    assert.deepEqual(
      [status, repeated, (error as Document)['code']],
      ['in_doubt', true, 'command.in-doubt'],
      `start ${start}`,
    );
    assert.deepEqual(await audits(stage, 1), ['in_doubt']);
    await stage.agent.kill9();
  }
  // The replay itself died with the agent's memory, or had left before: never a second one.
  assert.ok(sales(stage).length <= 2);
  assert.deepEqual(await audits(stage, 1), ['in_doubt']);
});
