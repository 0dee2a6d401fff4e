/** The built agent as systemd starts it: what it tells systemd, and that it falls silent when it hangs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { Child } from '../../src/workbench/child.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { BUILT } from '../rig/agent-process.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, NOTIFY_SOCKET, startSupervisor, type TestSupervisor } from './rig.ts';

const PATIENCE_MS = 3000;
/** Makes the event loop turn no more, as a bug would. */
const BLOCK = 'data:text/javascript,process.on("SIGUSR2",()=>{for(;;);})';

interface Watched {
  readonly supervisor: TestSupervisor;
  readonly agent: AgentProcess;
  readonly sell: (seq: number) => Promise<void>;
  readonly answered: (seq: number) => Promise<void>;
}

/** An agent with a pump, no broker, and somebody who watches it. */
async function watched(t: TestContext): Promise<Watched> {
  const supervisor = await startSupervisor(t, PATIENCE_MS);
  const directory = await temporaryDirectory(t);
  let heard = '';
  const line = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      heard += bytes.toString('latin1');
    },
  });
  t.after(() => line.close());
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: 'pump-42',
    brokerPort: 1,
    protocol: 5,
    ledgerDirectory: join(directory, 'ledger'),
    line: line.port,
  });
  const agent = new AgentProcess({
    program: [NOTIFY_SOCKET, process.execPath, `--import=${BLOCK}`, BUILT],
    config,
    env: supervisor.env,
  });
  t.after(() => agent.kill9());
  const sell = async (seq: number): Promise<void> => {
    const sale = `{"k":"sale","boot":"a1","seq":${seq},"ml":1,"cents":1}\n`;
    await until(() => line.write(sale), 'the agent on the line', DEADLINE_MS);
  };
  const answered = async (seq: number): Promise<void> => {
    await until(() => heard.includes(`ACK a1 ${seq}\n`), 'the answer', DEADLINE_MS);
  };
  return { supervisor, agent, sell, answered };
}

test('systemd hears that the agent is ready without a broker, that it is alive, and that it stops', async (t) => {
  const { supervisor, agent, sell, answered } = await watched(t);
  agent.start();
  await supervisor.told(/^READY=1$/);
  await sell(1);
  await answered(1);
  await until(() => supervisor.count('WATCHDOG=1') >= 8, 'eight signs of life', DEADLINE_MS);
  assert.equal(supervisor.count('silent'), 0);
  await supervisor.told(/^STATUS=not connected \(network\.refused\), events wait in the ledger$/);
  assert.deepEqual(await agent.term(), { code: 0, signal: null });
  await supervisor.told(/^STOPPING=1$/);
});

test('an event loop that turns no more is silent', async (t) => {
  const { supervisor, agent } = await watched(t);
  agent.start();
  await supervisor.told(/^WATCHDOG=1$/);
  agent.signal('SIGUSR2');
  await supervisor.told(/^silent$/);
});

test('an agent whose disk hangs is silent although its event loop turns, and says why', async (t) => {
  const { supervisor, agent, sell, answered } = await watched(t);
  agent.start();
  await supervisor.told(/^WATCHDOG=1$/);
  await sell(1);
  await answered(1);
  const hang = 'inject=pwrite64:delay_enter=600s';
  const pid = String(agent.child.pid);
  const strace = new Child({ command: 'strace', args: ['-f', '-p', pid, '-e', 'trace=pwrite64', '-e', hang] });
  let fedBefore = 0;
  try {
    await strace.line(/attached/, DEADLINE_MS);
    await sell(2);
    await supervisor.told(/^silent$/);
    await supervisor.told(/^STATUS=no progress: the ledger; not connected/);
    await agent.child.line(/no progress: the watchdog is not fed work="the ledger"/, DEADLINE_MS);
    fedBefore = supervisor.count('WATCHDOG=1');
  } finally {
    // First of all: an agent that is held in a call does not end.
    await strace.kill9();
  }
  await answered(2);
  await until(() => supervisor.count('WATCHDOG=1') > fedBefore, 'a sign of life after the hang', DEADLINE_MS);
});

test('a start that takes long, but gets on, asks for more time', async (t) => {
  const { supervisor, agent, sell, answered } = await watched(t);
  agent.start();
  await sell(1);
  await answered(1);
  await agent.kill9();
  const before = supervisor.words().length;
  agent.start(['strace', '-D', '-f', '-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:delay_enter=800ms']);
  await until(() => supervisor.words().slice(before).includes('READY=1'), 'the second start', DEADLINE_MS);
  const second = supervisor.words().slice(before);
  assert.match(second.slice(0, second.indexOf('READY=1')).join('\n'), /^EXTEND_TIMEOUT_USEC=\d{7,}$/m);
});
