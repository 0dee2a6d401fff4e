/** What was asked of a broker and not answered when the connection ends: whoever waits hears of it, and waits no longer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 10_000;
/** Success, no session, no properties. */
const CONNACK = Buffer.of(0x20, 3, 0, 0, 0);
const NO_CREDENTIALS = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  crl: undefined,
  certificate: undefined,
  username: undefined,
  password: undefined,
};

for (const how of ['the broker cuts', 'this side ends', 'this side destroys'] as const) {
  test(`a publish without PUBACK is rejected when the connection ends, and so is one that comes after: ${how}`, async (t) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      // Answers CONNECT, and nothing else.
      socket.once('data', () => socket.write(CONNACK));
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    let ended = false;
    const opening = await mqttLinkOpener(() => NO_CREDENTIALS).open(
      {
        url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
        protocol: 5,
        clientIdentifier: 'pump-42',
        cleanStart: false,
        keepAliveMs: 60_000,
        sessionExpiryMs: 60_000,
        connectTimeoutMs: DEADLINE_MS,
        will: undefined,
      },
      {
        inbound: (chunk) => [chunk],
        drained: () => undefined,
        message: () => undefined,
        ended: () => {
          ended = true;
        },
      },
    );
    assert.ok(opening.kind === 'up');
    const { link } = opening;
    const outcomes: string[] = [];
    const note = (name: string, asked: Promise<unknown>): void => {
      asked.then(
        () => outcomes.push(`${name} answered`),
        () => outcomes.push(`${name} rejected`),
      );
    };
    const publish = (): Promise<void> => link.publish('a', Buffer.from('x'), { qos: 1, retain: false });
    // More than go at once, so that some wait for their turn.
    for (let count = 0; count < 20; count += 1) note('publish', publish());
    note('subscribe', link.subscribe('b', 1));
    note('unsubscribe', link.unsubscribe('b'));
    await once(sockets[0] as Socket, 'data');
    if (how === 'the broker cuts') sockets[0]?.destroy();
    else if (how === 'this side ends') await link.end();
    else link.destroy({ word: 'own.ended', text: 'test' });
    await until(() => ended, 'the end', DEADLINE_MS);
    note('publish', publish());
    await until(
      () => outcomes.length === 23,
      () => `an outcome of each, got ${outcomes.length}`,
      DEADLINE_MS,
    );
    assert.deepEqual(new Set(outcomes), new Set(['publish rejected', 'subscribe rejected', 'unsubscribe rejected']));
  });
}
