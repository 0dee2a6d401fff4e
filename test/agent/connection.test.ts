/**
 * A link that comes and goes: one that is half open, TLS sessions that are resumed, another client of our identity, and a
 * broker that ends. A real Mosquitto, a link that can fail, and the built agent.
 */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { CertifiedPair } from '../../src/workbench/certificates.ts';
import type { Deliveries } from '../../src/workbench/deliveries.ts';
import type { LinkProxy } from '../../src/workbench/link-proxy.ts';
import type { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { startConsumer } from '../rig/consumer.ts';
import { startLink } from '../rig/link.ts';
import { until } from '../rig/wait.ts';
import {
  type Agent,
  type BrokerKeys,
  connectionsTo,
  DEADLINE_MS,
  endShown,
  type FaultStage,
  setFaultStage,
  WATCH_MS,
  withoutTls,
} from './fault-stage.ts';

const KEEP_ALIVE_MS = 5000;
/** For a machine that is busy with other tests. */
const SLACK_MS = 4000;

interface Scene {
  readonly stage: FaultStage;
  readonly broker: Mosquitto;
  readonly link: LinkProxy;
  readonly agent: Agent;
  readonly deliveries: Deliveries;
}

/** The agent is connected, through `link`. */
async function setScene(t: TestContext, change?: (broker: BrokerKeys) => BrokerKeys): Promise<Scene> {
  const stage = await setFaultStage(t);
  const broker = await stage.mosquitto();
  const tls = { ca: stage.authority.ca, ...(await stage.authority.issueClient('collector')) };
  const { deliveries } = await startConsumer(t, { port: broker.port, root: 'fp/v1/pump-42', tls });
  const link = await startLink(t, { target: broker.port });
  const agent = await stage.agent(link.port, change);
  agent.process.start();
  await connected(agent, 1);
  return { stage, broker, link, agent, deliveries };
}

/** Waits until the agent has connected `times` times; the log lines of that. */
async function connected(agent: Agent, times: number): Promise<readonly string[]> {
  const lines = (): string[] => agent.process.child.lines.filter((line) => line.includes('broker connected'));
  await until(
    () => lines().length >= times,
    () => `connection ${times}; last: ${agent.process.child.lastWords()}`,
    DEADLINE_MS,
  );
  return lines();
}

/** All of `count` events are with the consumer, each once and in order. */
async function arrived(deliveries: Deliveries, count: number): Promise<void> {
  await until(
    () => deliveries.figures.events >= count,
    () => `${count} events, got ${deliveries.figures.events}`,
    DEADLINE_MS,
  );
  const { events, repeats, forks, orderBreaks, gaps } = deliveries.figures;
  assert.deepEqual(
    { events, repeats, forks, orderBreaks, gaps },
    { events: count, repeats: 0, forks: 0, orderBreaks: 0, gaps: 0 },
  );
}

/** The words of the log, in order. */
function wordsOf(agent: Agent): string[] {
  return agent.process.child.lines.flatMap((line) => / word=(\S+)/.exec(line)?.[1] ?? []);
}

// Each test waits most of its time.
describe('a link that comes and goes', { concurrency: 3 }, () => {
  test('a link that is half open is noticed within one and a half keep alives, and nothing is lost or doubled', async (t) => {
    const { link, agent, deliveries } = await setScene(t, (broker) => ({ ...broker, keepAlive: '5s' }));
    await agent.sell(1);
    await arrived(deliveries, 2);
    const heldMs = performance.now();
    link.hold();
    for (const seq of [2, 3, 4]) await agent.sell(seq);
    await agent.process.child.line(/ word=broker\.silent /, DEADLINE_MS);
    const noticedMs = performance.now() - heldMs;
    assert.ok(noticedMs <= 1.5 * KEEP_ALIVE_MS + SLACK_MS, `noticed after ${noticedMs} ms`);
    t.diagnostic(`noticed after ${Math.round(noticedMs)} ms`);
    await endShown(agent, 'broker.silent');
    link.accept();
    await connected(agent, 2);
    await arrived(deliveries, 5);
  });

  test('a TLS session is resumed after a cut, and not with a new certificate or in a new process', async (t) => {
    const { stage, link, agent, deliveries } = await setScene(t);
    await agent.process.term();
    agent.process.start();
    // What a process has not got itself it can not resume.
    assert.match((await connected(agent, 1))[0] ?? '', /tls_resumed=false/);
    link.cut();
    assert.match((await connected(agent, 2))[1] ?? '', /tls_resumed=true/);
    await agent.sell(1);
    await arrived(deliveries, 2);
    await stage.putPair('device', await stage.authority.issueClient('pump-42'));
    link.cut();
    assert.match((await connected(agent, 3))[2] ?? '', /tls_resumed=false/);
    link.cut();
    assert.match((await connected(agent, 4))[3] ?? '', /tls_resumed=true/);
    await agent.sell(2);
    await arrived(deliveries, 3);
  });

  test('a takeover that the broker tells is named, and the other one gets half a minute at least', async (t) => {
    const peer = await startTeller(t);
    const stage = await setFaultStage(t);
    const agent = await stage.agent(peer.port, (keys) => ({
      ...withoutTls(keys),
      urls: [`mqtt://127.0.0.1:${peer.port}`],
    }));
    agent.process.start();
    await connected(agent, 1);
    peer.tellTakeover();
    const told = await agent.process.child.line(/ word=broker\.taken-over /, DEADLINE_MS);
    assert.match(told, /^error: another client uses this device's identity/);
    const retryMs = Number(/ retry_in_ms=(\d+)/.exec(told)?.[1]);
    assert.ok(retryMs >= 30_000 && retryMs <= 60_000, told);
    const before = peer.connections();
    await agent.sell(1);
    const status = await endShown(agent, 'broker.taken-over');
    assert.ok(status.degraded.includes('broker.taken-over'));
    await pause(WATCH_MS);
    assert.equal(peer.connections(), before);
    assert.deepEqual(wordsOf(agent), ['broker.taken-over']);
  });

  test('a takeover that Mosquitto 2.0 does not tell makes no storm, however soon the other one comes back', async (t) => {
    const { stage, broker, link, agent } = await setScene(t);
    const before = link.counters.connections;
    await startRival(t, broker, stage.authority.ca, await stage.authority.issueClient('pump-42'));
    const told = await agent.process.child.line(/ word=/, DEADLINE_MS);
    assert.match(told, /word=broker\.(?:closed|taken-over) .*(?:takeover by another|another client)/);
    // Longer than the other watches: three quick attempts are allowed before the slow pace begins.
    await pause(2 * WATCH_MS);
    assert.ok(link.counters.connections - before <= 6, `${link.counters.connections - before} attempts`);
    await agent.sell(1);
  });

  for (const how of ['term', 'kill'] as const) {
    test(`a broker that is restarted (${how}) is found again, and its end is no breach of the protocol`, async (t) => {
      const { broker, link, agent, deliveries } = await setScene(t);
      await arrived(deliveries, 1);
      await (how === 'term' ? broker.stop() : broker.kill());
      await agent.process.child.line(/ word=/, DEADLINE_MS);
      await agent.sell(1);
      await broker.start();
      await connected(agent, 2);
      // A Mosquitto that was killed may have lost the consumer's session; the agent's events are counted all the same.
      await until(async () => (await agent.status())?.connected, 'the connection in status.json', DEADLINE_MS);
      const ordinary = ['broker.stopping', 'broker.closed', 'network.lost', 'network.refused'];
      assert.deepEqual(
        wordsOf(agent).filter((word) => !ordinary.includes(word)),
        [],
      );
      t.diagnostic([...new Set(wordsOf(agent))].join(' '));
      assert.ok(link.counters.connections + connectionsTo(broker) < 20, 'no storm');
      if (how === 'term') await arrived(deliveries, 2);
    });
  }
});

/** Another client with our identifier and a certificate of our name, as a cloned device is one; it comes back at once. */
async function startRival(t: TestContext, broker: Mosquitto, ca: string, pair: CertifiedPair): Promise<void> {
  const rival = new MqttClient(() => connectTls({ port: broker.port, host: '127.0.0.1', ca, ...pair }), {
    clientId: 'pump-42',
    protocolVersion: 5,
    clean: false,
    reconnectPeriod: 20,
  });
  rival.on('error', () => undefined);
  t.after(() => rival.endAsync(true));
  await until(() => rival.connected, 'the rival', DEADLINE_MS);
}

interface Teller {
  readonly port: number;
  readonly connections: () => number;
  /** DISCONNECT with reason 0x8E to whoever is connected, as MQTT-3.1.4-3 wants it; Mosquitto 2.0.11 only closes. */
  readonly tellTakeover: () => void;
}

/** As much of a broker as a takeover takes: every CONNECT is accepted, everything else is ignored. */
async function startTeller(t: TestContext): Promise<Teller> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(Buffer.of(0x20, 3, 0, 0, 0)));
    socket.on('close', () => sockets.delete(socket));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => connections,
    tellTakeover: () => {
      for (const socket of sockets) socket.end(Buffer.of(0xe0, 2, 0x8e, 0));
    },
  };
}
