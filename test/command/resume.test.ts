/** Commands that outlive the process: what they tell on the way, how they go on after a restart, and who hears the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { type Command, CommandFailure, defineCommand, type RunContext } from '../../src/command/command.ts';
import { Fault } from '../../src/fault.ts';
import { until } from '../rig/wait.ts';
import { codeOf, DEADLINE_MS, deskRig, ROOT } from './desk-rig.ts';

interface Long {
  readonly command: Command;
  readonly contexts: RunContext[];
  readonly resumed: RunContext[];
  readonly end: (result: unknown) => void;
  readonly fail: (error: Error) => void;
}

/** `goesOn`: what it says at a restart. */
function longCommand(goesOn = true): Long {
  const contexts: RunContext[] = [];
  const resumed: RunContext[] = [];
  let end: (result: unknown) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const begin = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
  const command = defineCommand({
    name: 'long',
    changes: true,
    summary: 'Takes its time.',
    args: v.strictObject({}),
    result: v.looseObject({}),
    run: (_args, context) => {
      contexts.push(context);
      return begin();
    },
    resume: (context) => {
      resumed.push(context);
      return goesOn ? begin() : undefined;
    },
  });
  return { command, contexts, resumed, end: (result) => end(result), fail: (error) => fail(error) };
}

test('a command tells of its progress, and the final answer follows', async (t) => {
  const long = longCommand();
  const { send, answers } = await deskRig(t, { commands: [long.command], policy: { long: 'on' } });
  send('long/1', '{"by":"ops"}', { correlationData: Buffer.from('c1') });
  const context = await until(() => long.contexts[0], 'the run', DEADLINE_MS);
  assert.deepEqual([context.id, context.by], ['1', 'ops']);
  await context.progress({ phase: 'probation', token: 't' });
  let wasAnswered: number | undefined;
  context.afterAnswer(() => {
    wasAnswered = answers.length;
  });
  long.end({ done: true });
  await until(() => wasAnswered !== undefined, 'the end', DEADLINE_MS);
  assert.equal(wasAnswered, 2, 'what waits for the answer ran before it');
  const common = { v: 1, id: '1', command: 'long', repeated: false };
  assert.deepEqual(
    answers.map(({ document }) => document),
    [
      { ...common, status: 'executing', phase: 'probation', token: 't' },
      { ...common, status: 'succeeded', result: { done: true } },
    ],
  );
  assert.deepEqual(
    answers.map(({ correlation }) => correlation),
    ['c1', 'c1'],
  );
});

test('what goes on after a restart is executing until it ends, runs once, and is answered where it was asked', async (t) => {
  const first = longCommand();
  const policy = { long: 'on' as const };
  const { send, directory } = await deskRig(t, { commands: [first.command], policy });
  const responseTopic = `${ROOT}/up/response/mine`;
  send('long/1', '{"by":"ops"}', { correlationData: Buffer.from('c1'), responseTopic });
  await until(() => first.contexts[0], 'the run', DEADLINE_MS);
  const next = longCommand();
  const rig = await deskRig(t, { directory, commands: [next.command], policy });
  assert.deepEqual([next.resumed[0]?.id, next.resumed[0]?.by, next.contexts.length], ['1', 'ops', 0]);
  const meanwhile = await rig.ask('long/1', '{"by":"ops"}');
  assert.deepEqual([meanwhile.document['status'], meanwhile.document['repeated']], ['executing', true]);
  next.end({ boots: 2 });
  const answer = await until(() => rig.answers[1], 'the answer', DEADLINE_MS);
  assert.deepEqual([answer.topic, answer.correlation], [responseTopic, 'c1']);
  assert.deepEqual(answer.document['result'], { boots: 2 });
  assert.equal(rig.audits.length, 1);
  const third = longCommand();
  const last = await deskRig(t, { directory, commands: [third.command], policy });
  assert.deepEqual((await last.ask('long/1', '{"by":"ops"}')).document['result'], { boots: 2 });
  assert.equal(third.resumed.length, 0);
});

test('what does not know how to go on is in doubt after a restart', async (t) => {
  const first = longCommand();
  const policy = { long: 'on' as const };
  const { send, directory } = await deskRig(t, { commands: [first.command], policy });
  send('long/1', '');
  await until(() => first.contexts[0], 'the run', DEADLINE_MS);
  const rig = await deskRig(t, { directory, commands: [longCommand(false).command], policy });
  assert.equal((await rig.ask('long/1', '')).document['status'], 'in_doubt');
});

test('a failure says its own code, and a refusal that nothing was begun', async (t) => {
  const long = longCommand();
  const { send, answers } = await deskRig(t, { commands: [long.command], policy: { long: 'on' } });
  const failures = [
    new CommandFailure('config.conflict', 'another revision', 'rejected'),
    new CommandFailure('config.reverted', 'not confirmed'),
    new Fault('state.disk', 'no space'),
    new Error('anything'),
  ];
  for (const [at, failure] of failures.entries()) {
    send(`long/${at}`, '');
    await until(() => long.contexts.length === at + 1, 'the run', DEADLINE_MS);
    long.fail(failure);
    await until(() => answers.length === at + 1, 'the answer', DEADLINE_MS);
  }
  assert.deepEqual(
    answers.map((answer) => [answer.document['status'], codeOf(answer)]),
    [
      ['rejected', 'config.conflict'],
      ['failed', 'config.reverted'],
      ['failed', 'state.disk'],
      ['failed', 'command.failed'],
    ],
  );
});
