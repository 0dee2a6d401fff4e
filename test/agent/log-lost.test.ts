/**
 * A log that can not be written ends nothing: the agent accepts and delivers with nobody at the other end of its stderr, and
 * with its stderr on a full disk. The status that a start ends with is the same with or without a log.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { startConsumer } from '../rig/consumer.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, setFaultStage } from './fault-stage.ts';

const SALES = 3;
const FULL_DISK = 'exec "$@" 2>/dev/full';
/** A pipe that was opened for reading only until it was open for writing: every write is EPIPE. */
const NO_READER = 'mkfifo "$FIFO"; exec 3<>"$FIFO" 2>"$FIFO" 3<&-; exec "$@"';

/** The words that start a program with such a stderr. */
function under(script: string): readonly [string, ...string[]] {
  return ['sh', '-c', script, 'sh'];
}

async function sellsAndDelivers(t: TestContext, script: string): Promise<void> {
  const stage = await setFaultStage(t);
  const broker = await stage.mosquitto();
  const tls = { ca: await readFile(stage.ca), ...(await stage.authority.issueClient('collector')) };
  const sold = new Set<string>();
  await startConsumer(t, {
    port: broker.port,
    root: 'fp/v1/pump-42',
    tls,
    onEvent: (_verdict, event) => void (event?.source !== undefined && sold.add(event.source.seq)),
  });
  const agent = await stage.agent(broker.port, undefined, { FIFO: join(stage.directory, 'stderr') });
  agent.process.start(under(script));
  await until(async () => (await agent.status())?.connected, 'a connection', DEADLINE_MS);
  for (let seq = 1; seq <= SALES; seq += 1) await agent.sell(seq);
  await until(() => sold.size === SALES, 'the sales at the consumer', DEADLINE_MS);
  // Nothing of the log, which is at level debug, came here.
  assert.deepEqual(agent.process.child.lines, []);
  assert.equal((await agent.process.term())?.code, 0);
}

test('with nobody at the other end of its stderr the agent connects, accepts and delivers, and ends in order', (t) =>
  sellsAndDelivers(t, NO_READER));

test('with its stderr on a full disk the agent connects, accepts and delivers, and ends in order', (t) =>
  sellsAndDelivers(t, FULL_DISK));

test('a start that is refused has its status also where nobody can be told', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const script of [NO_READER, FULL_DISK]) {
    const [command, ...before] = under(script);
    const args = [...before, ...builtProgram(), 'run', '--config', join(directory, 'none.json')];
    const run = new Child({ command, args, env: { FIFO: join(directory, 'stderr') } });
    t.after(() => run.kill9());
    assert.deepEqual(await run.exited, { code: 78, signal: null });
  }
});
