import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeAuthority } from '../../src/workbench/certificates.ts';
import { startConsumer } from '../rig/consumer.ts';
import { until } from '../rig/wait.ts';
import { setStage } from './stage.ts';

const DEADLINE_MS = 20_000;

interface Document {
  readonly broker: { readonly tls: { readonly ca: string; readonly key: string }; keepAlive: string };
  readonly ledger: { readonly dir: string };
}

test('problems of device.json end the start with 78, all named at once', async (t) => {
  const stage = await setStage(t);
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  document.broker.keepAlive = '0s';
  await writeFile(stage.config, JSON.stringify({ ...document, ledgr: {} }));
  stage.agent.start();
  assert.equal((await stage.agent.child.exited).code, 78);
  const said = stage.agent.child.lines.join('\n');
  assert.match(said, /\/broker\/keepAlive: must be 5s to 1h.*"0s"/);
  assert.match(said, /\/ledgr: .*did you mean `ledger`/);
});

test('a private key that others may read ends the start with 77', async (t) => {
  const stage = await setStage(t);
  const { broker } = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await chmod(broker.tls.key, 0o644);
  stage.agent.start();
  assert.equal((await stage.agent.child.exited).code, 77);
  assert.match(stage.agent.child.lastWords(), /0644/);
});

test('a second agent on the same ledger ends with 74 and leaves the first one alone', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  const { Child } = await import('../../src/workbench/child.ts');
  const { builtProgram } = await import('../rig/agent-process.ts');
  const [command, program] = builtProgram();
  const second = new Child({ command, args: [program, 'run', '--config', stage.config] });
  t.after(() => second.kill9());
  assert.equal((await second.exited).code, 74);
  assert.match(second.lastWords(), /another fieldpost process/);
  assert.equal(stage.agent.running, true);
});

test('a broker of another CA is refused by name, without a storm, and sales are accepted meanwhile', async (t) => {
  const stage = await setStage(t, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
  const { broker } = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await writeFile(broker.tls.ca, (await makeAuthority('somebody else')).ca);
  stage.agent.start();
  await stage.agent.child.line(/another CA than tls.ca/, DEADLINE_MS);
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":1,"cents":1}');
  await until(() => stage.answers().includes('ACK a1 1\n'), 'the answer', DEADLINE_MS);
  assert.equal(stage.agent.running, true);
  const refusals = stage.agent.child.lines.filter((line) => line.includes('broker not connected'));
  assert.equal(refusals.length, 1);
  assert.match(refusals[0] ?? '', /retry_in_ms=\d+/);
});

test('a broker that has to be waited for is found when it comes, and what was sold meanwhile arrives', async (t) => {
  const stage = await setStage(t);
  const root = 'fp/v1/pump-42';
  const { deliveries } = await startConsumer(t, { port: stage.broker.port, root, tls: stage.consumerTls });
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await stage.broker.stop();
  await stage.agent.child.line(/broker not connected/, DEADLINE_MS);
  for (let seq = 1; seq <= 50; seq += 1) await stage.meter(`{"k":"sale","boot":"a1","seq":${seq},"ml":1,"cents":1}`);
  await until(() => stage.answers().includes('ACK a1 50\n'), 'the answers', DEADLINE_MS);
  await stage.broker.start();
  await until(
    () => deliveries.figures.events === 51,
    () => `51 events, got ${deliveries.figures.events}`,
    60_000,
  );
  const { repeats, forks, orderBreaks, gaps } = deliveries.figures;
  assert.deepEqual({ repeats, forks, orderBreaks, gaps }, { repeats: 0, forks: 0, orderBreaks: 0, gaps: 0 });
});
