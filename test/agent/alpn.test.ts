/**
 * One port for several protocols: a TLS server that goes by the protocol that is offered (ALPN) and by the name that is asked
 * for (SNI), with a real Mosquitto behind it.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { DEADLINE_MS, type FaultStage, setFaultStage, showsFault, withTls } from './fault-stage.ts';

interface Front {
  readonly port: number;
  readonly sockets: readonly TLSSocket[];
}

/** Whoever offers none of `protocols` gets the alert of RFC 7301. */
async function startFront(t: TestContext, stage: FaultStage, names: readonly string[]): Promise<Front> {
  const broker = await stage.mosquitto({ plain: true });
  const sockets: TLSSocket[] = [];
  const pair = await stage.authority.issueServer([...names]);
  const server = createServer({ ...pair, ca: stage.authority.ca, ALPNProtocols: ['h2', 'mqtt'] }, (socket) => {
    sockets.push(socket);
    const behind = connect({ port: broker.port, host: '127.0.0.1' });
    behind.on('error', () => socket.destroy());
    socket.on('error', () => behind.destroy());
    socket.pipe(behind).pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, sockets };
}

describe('one port for several protocols', { concurrency: 4 }, () => {
  test('broker.tls.alpn chooses MQTT, and broker.tls.serverName the name that counts', async (t) => {
    const stage = await setFaultStage(t);
    const front = await startFront(t, stage, ['broker.example']);
    const agent = await stage.agent(front.port, withTls({ alpn: ['x-other', 'mqtt'], serverName: 'broker.example' }));
    agent.process.start();
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
    await agent.sell(1);
    const [first] = front.sockets;
    assert.equal(first?.alpnProtocol, 'mqtt');
    assert.equal('servername' in first ? first.servername : undefined, 'broker.example');
  });

  test('a protocol that the port does not have is named', async (t) => {
    const stage = await setFaultStage(t);
    const front = await startFront(t, stage, ['127.0.0.1']);
    const agent = await stage.agent(front.port, withTls({ alpn: ['x-amzn-mqtt-ca'] }));
    await showsFault(agent, { word: 'tls.no-alpn', says: /none of the protocols of tls\.alpn/ });
  });

  test('a name that the certificate does not have is refused, also where the host would fit', async (t) => {
    const stage = await setFaultStage(t);
    const front = await startFront(t, stage, ['127.0.0.1']);
    const agent = await stage.agent(front.port, withTls({ alpn: ['mqtt'], serverName: 'broker.example' }));
    await showsFault(agent, { word: 'tls.wrong-name', says: /broker\.example/ });
  });
});
