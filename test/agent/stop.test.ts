import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Consumer } from '../../src/workbench/consumer.ts';
import { startConsumer } from '../rig/consumer.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;

/** An agent with a sale in the ledger and a broker that no longer moves: nothing can be handed over, nothing fails. */
async function stuck(t: TestContext): Promise<{ readonly stage: Stage; readonly consumer: Consumer }> {
  const stage = await setStage(t);
  const consumer = await startConsumer(t, {
    port: stage.broker.port,
    root: 'fp/v1/pump-42',
    tls: stage.consumerTls,
  });
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await until(() => consumer.deliveries.figures.events === 1, 'the first event', DEADLINE_MS);
  signalBroker(stage, 'SIGSTOP');
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":1,"cents":1}');
  await until(() => stage.answers().includes('ACK a1 1\n'), 'the answer', DEADLINE_MS);
  return { stage, consumer };
}

function signalBroker(stage: Stage, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const { pid } = stage.broker;
  if (pid !== undefined) process.kill(pid, signal);
}

test('SIGTERM ends by itself although the broker hangs, and what was not handed over arrives once after the next start', async (t) => {
  const { stage, consumer } = await stuck(t);
  stage.agent.signal('SIGTERM');
  assert.deepEqual(await stage.agent.child.exited, { code: 0, signal: null });
  signalBroker(stage, 'SIGCONT');
  stage.agent.start();
  await until(() => consumer.deliveries.figures.events === 2, 'the sale', DEADLINE_MS);
  assert.equal(consumer.deliveries.figures.repeats, 0);
});

test('a second signal leaves at once', async (t) => {
  const { stage, consumer } = await stuck(t);
  stage.agent.signal('SIGTERM');
  await stage.agent.child.line(/stopping/, DEADLINE_MS);
  stage.agent.signal('SIGTERM');
  assert.deepEqual(await stage.agent.child.exited, { code: null, signal: 'SIGKILL' });
  signalBroker(stage, 'SIGCONT');
  stage.agent.start();
  await until(() => consumer.deliveries.figures.events === 2, 'the sale', DEADLINE_MS);
  assert.equal(consumer.deliveries.figures.repeats, 0);
});
