/**
 * Another client with the device's own identity. Mosquitto before 2.0.15 throws a client out without a word, so what tells
 * is the session: one that another client has made is not trusted, and the agent yields to whoever makes it again and again.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { Deliveries } from '../../src/workbench/deliveries.ts';
import { startConsumer } from '../rig/consumer.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
const ROOT = 'fp/v1/pump-42';

interface Scene {
  readonly stage: Stage;
  readonly deliveries: Deliveries;
  /** Connects with the device's certificate and client identifier. */
  readonly twin: (again: 'comes back' | 'comes once') => Promise<MqttClient>;
}

async function setScene(t: TestContext): Promise<Scene> {
  const stage = await setStage(t);
  const { deliveries } = await startConsumer(t, { port: stage.broker.port, root: ROOT, tls: stage.consumerTls });
  stage.agent.start();
  await until(() => deliveries.figures.events === 1, 'the first event', DEADLINE_MS);
  const { broker } = JSON.parse(await readFile(stage.config, 'utf8')) as {
    readonly broker: { readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } };
  };
  const [ca, cert, key] = await Promise.all(
    [broker.tls.ca, broker.tls.cert, broker.tls.key].map((path) => readFile(path)),
  );
  const identity = { ca: ca as Buffer, cert: cert as Buffer, key: key as Buffer };
  return {
    stage,
    deliveries,
    twin: async (again) => {
      const client = new MqttClient(() => connectTls({ port: stage.broker.port, host: '127.0.0.1', ...identity }), {
        clientId: 'pump-42',
        // As a second agent does on its first connection: the session becomes its own.
        clean: true,
        protocolVersion: 5,
        properties: { sessionExpiryInterval: 3600 },
        reconnectPeriod: again === 'comes back' ? 200 : 0,
      });
      client.on('error', () => undefined);
      t.after(() => client.endAsync(true));
      await new Promise<void>((resolve) => client.once('connect', () => resolve()));
      return client;
    },
  };
}

async function arrivesOnce({ deliveries }: Scene, events: number): Promise<void> {
  await until(
    () => deliveries.figures.events === events,
    () => `${events} events, got ${deliveries.figures.events}`,
    DEADLINE_MS,
  );
  const { repeats, forks, gaps } = deliveries.figures;
  assert.deepEqual({ repeats, forks, gaps }, { repeats: 0, forks: 0, gaps: 0 });
}

test('a session that another client made is made anew, at once the first time, and what was sold arrives once', async (t) => {
  const scene = await setScene(t);
  const { stage, twin } = scene;
  await twin('comes once');
  await stage.agent.child.line(/broker session: not the one that this device made/, DEADLINE_MS);
  await stage.agent.child.line(/clean start reason="another client has used it"/, DEADLINE_MS);
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":1,"cents":1}');
  await arrivesOnce(scene, 2);
});

test('whoever comes back again and again is named and yielded to, and the ledger goes on accepting', async (t) => {
  const scene = await setScene(t);
  const { stage, twin } = scene;
  const other = await twin('comes back');
  const told = await stage.agent.child.line(/another client uses this device's identity/, DEADLINE_MS);
  assert.match(told, /word=broker.taken-over/);
  assert.ok(Number(/retry_in_ms=(\d+)/.exec(told)?.[1]) >= 30_000, told);
  await until(() => other.connected, 'the other one to be left alone', DEADLINE_MS);
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":1,"cents":1}');
  await until(() => stage.answers().includes('ACK a1 1\n'), 'the answer while it yields', DEADLINE_MS);
  assert.equal(other.connected, true);
  await until(
    async () => {
      const status = JSON.parse(await readFile(`${stage.directory}/state/status.json`, 'utf8')) as {
        readonly connected: boolean;
        readonly degraded: readonly string[];
      };
      return !status.connected && status.degraded.includes('broker.taken-over');
    },
    'status.json to say so',
    DEADLINE_MS,
  );

  // That it is not ours was on disk before the yielding began: a crash does not bring the trust back.
  await other.endAsync(true);
  await stage.agent.kill9();
  stage.agent.start();
  await stage.agent.child.line(/clean start reason="the last session was not completed"/, DEADLINE_MS);
  await arrivesOnce(scene, 2);
});

test('a session that is ours is known again after a cut, a kill and a restart of the broker', async (t) => {
  const scene = await setScene(t);
  const { stage } = scene;
  const connections = (): number => stage.agent.child.lines.filter((line) => /session_present=true/.test(line)).length;
  await stage.broker.restart('term');
  await until(() => connections() === 1, 'the session after the restart', 60_000);
  await stage.agent.kill9();
  stage.agent.start();
  await until(() => connections() === 1, 'the session after the kill', DEADLINE_MS);
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":1,"cents":1}');
  await arrivesOnce(scene, 2);
  assert.equal(
    stage.agent.child.lines.some((line) => /clean start/.test(line)),
    false,
  );
});
