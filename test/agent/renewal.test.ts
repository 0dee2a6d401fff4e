/**
 * Renewed files while a link is up, on a real Mosquitto: they count at once and nothing is lost or doubled; half of a
 * renewal, or a certificate that the broker refuses, is told and leaves the link as it is.
 */
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { type CertifiedPair, makeAuthority } from '../../src/workbench/certificates.ts';
import { startConsumer } from '../rig/consumer.ts';
import { until } from '../rig/wait.ts';
import { type Agent, DEADLINE_MS, type FaultStage, setFaultStage } from './fault-stage.ts';

const SALES = 60;
const SALES_MAX = 20_000;

interface Scene {
  readonly stage: FaultStage;
  readonly agent: Agent;
  readonly deliveries: Awaited<ReturnType<typeof startConsumer>>['deliveries'];
  /** As a renewal does it: beside, then renamed into place. */
  readonly replace: (which: 'cert' | 'key', text: string) => Promise<void>;
  readonly connections: () => number;
}

async function setScene(t: TestContext): Promise<Scene> {
  const stage = await setFaultStage(t);
  const broker = await stage.mosquitto();
  const tls = { ca: await readFile(stage.ca), ...(await stage.authority.issueClient('collector')) };
  const { deliveries } = await startConsumer(t, { port: broker.port, root: 'fp/v1/pump-42', tls });
  const agent = await stage.agent(broker.port);
  agent.process.start();
  await until(() => deliveries.figures.events === 1, 'the first event', DEADLINE_MS);
  return {
    stage,
    agent,
    deliveries,
    replace: async (which, text) => {
      const fresh = join(stage.directory, `fresh.${which}`);
      await writeFile(fresh, text, { mode: 0o600 });
      await rename(fresh, stage.device[which]);
    },
    connections: () => agent.process.child.lines.filter((line) => line.includes('broker connected')).length,
  };
}

async function degradedBy(agent: Agent, isIt: boolean): Promise<void> {
  await until(
    async () => {
      const status = await agent.status();
      return status?.connected === true && status.degraded.includes('identity.renewal') === isIt;
    },
    `identity.renewal ${isIt ? 'in' : 'out of'} status.json`,
    DEADLINE_MS,
  );
}

async function replaceBoth({ replace }: Scene, { cert, key }: CertifiedPair): Promise<void> {
  await replace('cert', cert);
  await replace('key', key);
}

describe('a renewal while a link is up', { concurrency: 4 }, () => {
  test('counts without a restart, and events that flow meanwhile arrive once', async (t) => {
    const scene = await setScene(t);
    const { agent, deliveries, stage, connections } = scene;
    const pair = await stage.authority.issueClient('pump-42');
    await replaceBoth(scene, pair);
    let sold = 0;
    // Until after the new connection, so that events are on both sides of it.
    while (sold < SALES || connections() < 2) {
      sold += 1;
      assert.ok(sold < SALES_MAX, agent.process.child.lastWords());
      await agent.sell(sold);
    }
    const told = /is left for a new one reason="the files of the identity were renewed"/;
    assert.equal(agent.process.child.lines.filter((line) => told.test(line)).length, 1);
    await until(
      () => deliveries.figures.events === sold + 1,
      () => `${sold + 1} events, got ${deliveries.figures.events}`,
      DEADLINE_MS,
    );
    const { repeats, forks, gaps, orderBreaks } = deliveries.figures;
    assert.deepEqual({ repeats, forks, gaps, orderBreaks }, { repeats: 0, forks: 0, gaps: 0, orderBreaks: 0 });
    const resumed = agent.process.child.lines.filter((line) => line.includes('session_present=true'));
    assert.equal(resumed.length, 1);
  });

  test('that is half done is told, the link stays, and the other half is taken when it comes', async (t) => {
    const scene = await setScene(t);
    const { agent, stage, replace, connections } = scene;
    const { cert, key } = await stage.authority.issueClient('pump-42');
    await replace('cert', cert);
    const told = await agent.process.child.line(/^warn: renewed files of the identity are not used/, DEADLINE_MS);
    assert.match(told, /must be the key of the certificate in .*, got the key of another one/);
    await degradedBy(agent, true);
    await agent.sell(1);
    assert.equal(connections(), 1);
    await replace('key', key);
    await until(() => connections() === 2, 'the second connection', DEADLINE_MS);
    await degradedBy(agent, false);
  });

  test('with a certificate that the broker refuses is told, and the link stays', async (t) => {
    const scene = await setScene(t);
    const { agent, stage, connections } = scene;
    await replaceBoth(scene, await (await makeAuthority('rogue')).issueClient('pump-42'));
    const told = await agent.process.child.line(/^warn: renewed files of the identity are not used/, DEADLINE_MS);
    assert.match(told, /does not know the CA of our client certificate/);
    await degradedBy(agent, true);
    await agent.sell(1);
    assert.equal(connections(), 1);
    await replaceBoth(scene, await stage.authority.issueClient('pump-42'));
    await until(() => connections() === 2, 'the second connection', DEADLINE_MS);
    await degradedBy(agent, false);
  });
});
