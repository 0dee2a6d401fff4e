/** A start on a device.json that is not valid: a device that has worked runs what ran last, one that never has waits for a person. */
import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { type Agent, DEADLINE_MS, setFaultStage } from './fault-stage.ts';
import { ask, configure } from './operator.ts';
import { setStage } from './stage.ts';

/** status.json is written when it changes, and never only because a counter moved. */
function degraded(agent: Agent, isInvalid: boolean): Promise<unknown> {
  const seen = async (): Promise<boolean> => {
    const status = await agent.status();
    return status?.connected === true && status.degraded.includes('config.invalid') === isInvalid;
  };
  return until(seen, `connected, config.invalid: ${isInvalid}`, DEADLINE_MS);
}

test('a device.json that is not valid at the start is told, what ran last runs, and the mended one at SIGHUP', async (t) => {
  const stage = await setFaultStage(t);
  const broker = await stage.mosquitto();
  const agent = await stage.agent(broker.port, undefined, { STATE_DIRECTORY: stage.directory });
  const path = join(stage.directory, 'device.json');
  const good = await readFile(path, 'utf8');
  const last = join(stage.directory, 'state/config/last.json');
  agent.process.start();
  await agent.process.child.line(/broker connected/, DEADLINE_MS);
  await until(() => readFile(last).catch(() => undefined), 'what ran to be remembered', DEADLINE_MS);
  await agent.process.term();

  for (const bad of [good.slice(0, -1), good.replace('"baudRate"', '"baud"').replace('"line"', '"lines"'), undefined]) {
    await (bad === undefined ? rm(path) : writeFile(path, bad));
    agent.process.start();
    const told = await agent.process.child.line(/^error: /, DEADLINE_MS);
    assert.match(told, /device\.json is not valid: what ran last is run problems=.*device\.json/);
    await degraded(agent, true);
    await agent.process.term();
  }
  agent.process.start();
  await agent.sell(1);
  await writeFile(path, good);
  agent.process.signal('SIGHUP');
  await degraded(agent, false);
  await agent.process.term();

  await rm(last);
  await writeFile(path, good.slice(0, -1));
  agent.process.start();
  assert.equal((await agent.process.child.exited).code, 78);
  assert.match(agent.process.child.lastWords(), /device\.json:1:\d+/);
});

test('what ran last of another device is not run', async (t) => {
  const stage = await setFaultStage(t);
  const broker = await stage.mosquitto();
  const elsewhere = join(stage.directory, 'elsewhere');
  const agent = await stage.agent(broker.port, undefined, { STATE_DIRECTORY: elsewhere });
  agent.process.start();
  const last = join(stage.directory, 'state/config/last.json');
  await until(() => readFile(last).catch(() => undefined), 'what ran to be remembered', DEADLINE_MS);
  await agent.process.term();
  await cp(join(stage.directory, 'state'), join(elsewhere, 'state'), { recursive: true });
  await writeFile(join(stage.directory, 'device.json'), '{');
  agent.process.start();
  assert.equal((await agent.process.child.exited).code, 78);
});

test('agent.restart is rejected while device.json is not valid and nothing is known to have run', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'agent.restart': 'on' } }));
  stage.agent.start();
  const isBorn = (): boolean => stage.seen().some(({ payload }) => payload['why'] === 'start');
  await until(isBorn, 'the birth', DEADLINE_MS);
  const path = join(stage.directory, 'device.json');
  const good = await readFile(path, 'utf8');
  await writeFile(path, good.slice(0, -1));
  const { status, error } = await ask(stage, 'agent.restart', 'r1');
  assert.equal(status, 'rejected');
  const { code, message } = error as { readonly code: string; readonly message: string };
  assert.equal(code, 'config.invalid');
  assert.match(message, /device\.json:1:\d+/);
  await writeFile(path, good);
  assert.equal((await ask(stage, 'agent.restart', 'r2'))['status'], 'succeeded');
  assert.equal((await stage.agent.child.exited).code, 0);
});
