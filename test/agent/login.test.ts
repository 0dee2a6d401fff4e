/**
 * Faults beside the certificates: a password, another device's certificate, a port that is not the broker's, a name that
 * nobody has. Each has its own word, makes no storm, and costs no sale.
 */
import assert from 'node:assert/strict';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../src/workbench/mosquitto.ts';
import { until } from '../rig/wait.ts';
import { connectionsTo, DEADLINE_MS, setFaultStage, showsFault, WATCH_MS, withoutTls, withTls } from './fault-stage.ts';

/** A line of Mosquitto's password_file, as mosquitto_passwd writes it: PBKDF2 with SHA-512. */
function passwordLine(name: string, password: string): string {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, 101, 64, 'sha512');
  return `${name}:$7$101$${salt.toString('base64')}$${hash.toString('base64')}\n`;
}

interface Peer {
  readonly port: number;
  readonly connections: () => number;
}

/** Something that listens and is no broker. */
async function startPeer(t: TestContext, meet: (socket: Socket) => void): Promise<Peer> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    meet(socket);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, connections: () => connections };
}

// Each test waits most of its time.
describe('a connection that fails', { concurrency: 4 }, () => {
  test('a wrong password is named and not shown, and the right one counts without a restart', async (t) => {
    const stage = await setFaultStage(t);
    const users = await stage.put('users', passwordLine('pump-42', 'correct horse'));
    const passwordFile = await stage.put('password', 'wrong-horse\n');
    const broker = await stage.mosquitto({ plain: true, lines: ['allow_anonymous false', `password_file ${users}`] });
    const agent = await stage.agent(broker.port, (keys) => ({
      ...withoutTls(keys),
      urls: [`mqtt://127.0.0.1:${broker.port}`],
      username: 'pump-42',
      passwordFile,
    }));
    const attempts = (): number => connectionsTo(broker);
    await showsFault(agent, { word: 'login.password', says: /user name or password/, attempts });
    await writeFile(passwordFile, 'correct horse\n');
    await agent.process.child.line(/broker connected/, DEADLINE_MS);
    assert.doesNotMatch(agent.process.child.lines.join('\n'), /horse/);
    assert.doesNotMatch(JSON.stringify(await agent.status()), /horse/);
  });

  test("another device's certificate is told with both names; its topics are forbidden and nothing is lost", async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto();
    const other = await stage.putPair('other', await stage.authority.issueClient('pump-43'));
    const agent = await stage.agent(broker.port, withTls(other));
    const before = connectionsTo(broker);
    agent.process.start();
    const told = await agent.process.child.line(/certificate is for another device/, DEADLINE_MS);
    assert.match(told, /^warn: .*common_name=pump-43 device=pump-42/);
    await agent.sell(1);
    const forbidden = ['up/event/agent', 'up/event/sale', 'up/status'].map((topic) => `broker.forbidden:${topic}`);
    const status = await until(
      async () => {
        const seen = await agent.status();
        return seen !== undefined && forbidden.every((word) => seen.degraded.includes(word)) ? seen : undefined;
      },
      'the forbidden topics in status.json',
      DEADLINE_MS,
    );
    assert.equal(status.ledger.unsent, 2);
    await pause(WATCH_MS);
    // One of them only made the session, by Clean Start.
    assert.equal(connectionsTo(broker) - before, 2);
    const lines = agent.process.child.lines;
    assert.equal(lines.filter((line) => line.includes('forbids a stream')).length, 2);
  });

  test('a port that answers without TLS is named', async (t) => {
    const peer = await startPeer(t, (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
    const agent = await (await setFaultStage(t)).agent(peer.port);
    await showsFault(agent, {
      word: 'tls.not-tls',
      says: /does not speak TLS on this port/,
      attempts: peer.connections,
    });
  });

  test('a plain Mosquitto hangs up without an answer: a lost connection, and the doubt is told', async (t) => {
    const stage = await setFaultStage(t);
    const broker = await stage.mosquitto({ plain: true });
    const agent = await stage.agent(broker.port);
    const attempts = (): number => connectionsTo(broker);
    await showsFault(agent, { word: 'network.lost', says: /a port without TLS may look like this/, attempts });
  });

  test('a port that nobody listens on is named', async (t) => {
    const agent = await (await setFaultStage(t)).agent(await freePort());
    await showsFault(agent, { word: 'network.refused', says: /ECONNREFUSED 127\.0\.0\.1:/ });
  });

  test('a name that nobody has is named', async (t) => {
    // RFC 2606: .invalid never resolves.
    const agent = await (await setFaultStage(t)).agent(1, (broker) => ({
      ...broker,
      urls: ['mqtts://broker.invalid'],
    }));
    await showsFault(agent, { word: 'network.name', says: /broker\.invalid/ });
  });
});
