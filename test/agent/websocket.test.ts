/**
 * MQTT inside a WebSocket, plain and over TLS, on a real Mosquitto: the same events, once each, over cuts; the same
 * judgement of certificates; and words of their own for what is no WebSocket.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { makeAuthority } from '../../src/workbench/certificates.ts';
import { freePort } from '../../src/workbench/mosquitto.ts';
import { startConsumer } from '../rig/consumer.ts';
import { startLink } from '../rig/link.ts';
import { until } from '../rig/wait.ts';
import { type BrokerKeys, DEADLINE_MS, type FaultStage, setFaultStage, showsFault, withoutTls } from './fault-stage.ts';

const SALES = 40;
const CUTS = 6;

interface WebSocketBroker {
  /** Of MQTT over TCP. */
  readonly port: number;
  readonly webSocketPort: number;
}

/** A second listener of a Mosquitto: 2.0.11 does not start with one for WebSockets alone. */
async function plainBroker(stage: FaultStage): Promise<WebSocketBroker> {
  const webSocketPort = await freePort();
  const lines = [`listener ${webSocketPort} 127.0.0.1`, 'protocol websockets'];
  const { port } = await stage.mosquitto({ plain: true, lines });
  return { port, webSocketPort };
}

async function secureBroker(stage: FaultStage): Promise<WebSocketBroker> {
  const webSocketPort = await freePort();
  const at = (name: string): string => join(stage.directory, 'tls', name);
  const lines = [
    `listener ${webSocketPort} 127.0.0.1`,
    'protocol websockets',
    `cafile ${stage.ca}`,
    `certfile ${at('server.pem')}`,
    `keyfile ${at('server.key')}`,
    'require_certificate true',
    'use_identity_as_username true',
  ];
  const { port } = await stage.mosquitto({ lines });
  return { port, webSocketPort };
}

function over(url: string): (broker: BrokerKeys) => BrokerKeys {
  return (broker) => ({ ...broker, urls: [url] });
}

/** Something that speaks HTTP and has no WebSocket. */
async function startWebServer(t: TestContext, status: number): Promise<number> {
  const server = createServer((_request, response) => response.writeHead(status).end('no\n'));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a WebSocket', { concurrency: 4 }, () => {
  test('events over a WebSocket that is cut again and again arrive once and in order', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await plainBroker(stage);
    const link = await startLink(t, { target: broker.webSocketPort, oneWayDelayMs: 2 });
    const { deliveries } = await startConsumer(t, { port: broker.port, root: 'fp/v1/pump-42' });
    const url = `ws://127.0.0.1:${link.port}/mqtt`;
    const agent = await stage.agent(broker.port, (keys) => ({ ...withoutTls(keys), urls: [url] }));
    agent.process.start();
    await until(() => deliveries.figures.events === 1, 'the first event', DEADLINE_MS);
    for (let seq = 1; seq <= SALES; seq += 1) {
      await agent.sell(seq);
      if (seq % Math.floor(SALES / CUTS) !== 0) continue;
      await until(() => link.open > 0, 'a connection to cut', DEADLINE_MS);
      link.cut();
    }
    await until(
      () => deliveries.figures.events === SALES + 1,
      () => `all events, got ${deliveries.figures.events}`,
      60_000,
    );
    const { repeats, forks, gaps, orderBreaks } = deliveries.figures;
    assert.deepEqual({ repeats, forks, gaps, orderBreaks }, { repeats: 0, forks: 0, gaps: 0, orderBreaks: 0 });
    assert.ok(link.counters.connections > CUTS);
  });

  test('over TLS the certificates of both sides count as they do without it', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await secureBroker(stage);
    const agent = await stage.agent(broker.port, over(`wss://127.0.0.1:${broker.webSocketPort}`));
    agent.process.start();
    await agent.process.child.line(/broker connected url=wss:/, DEADLINE_MS);
    await agent.sell(1);
    await until(async () => (await agent.status())?.ledger.unsent === 0, 'the sale handed over', DEADLINE_MS);
    assert.deepEqual((await agent.status())?.degraded, []);
  });

  test('over TLS a broker of another CA is refused, whatever the environment tells Node', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await secureBroker(stage);
    const ca = await stage.put('other.pem', (await makeAuthority('another authority')).ca);
    const agent = await stage.agent(
      broker.port,
      (keys) => ({ ...keys, urls: [`wss://127.0.0.1:${broker.webSocketPort}`], tls: { ...keys.tls, ca } }),
      { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    );
    await showsFault(agent, { word: 'tls.other-ca', says: /another CA than tls\.ca/ });
  });

  test('a web server without a WebSocket at that path is named', async (t) => {
    const port = await startWebServer(t, 404);
    const agent = await (await setFaultStage(t)).agent(port, over(`ws://127.0.0.1:${port}/other`));
    await showsFault(agent, { word: 'websocket.refused', says: /HTTP status 404/ });
  });

  test('a proxy that does not reach its broker is tried at the normal pace', async (t) => {
    const port = await startWebServer(t, 502);
    const agent = await (await setFaultStage(t)).agent(port, over(`ws://127.0.0.1:${port}`));
    await showsFault(agent, { word: 'network.unreachable', says: /HTTP status 502/ });
  });

  test("MQTT's own port is named when a WebSocket is asked of it", async (t) => {
    const stage = await setFaultStage(t);
    const { port } = await stage.mosquitto({ plain: true });
    const agent = await stage.agent(port, over(`ws://127.0.0.1:${port}`));
    await showsFault(agent, { word: 'network.lost', says: /a port without WebSocket may look like this/ });
  });
});
