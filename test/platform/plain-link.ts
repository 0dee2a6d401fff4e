/** A link over plain TCP to a broker that the test plays, byte by byte. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import { mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import type { Link, LinkListener } from '../../src/ports-broker.ts';

export const DEADLINE_MS = 10_000;
/** Of a device that shows nothing. */
export const NO_CREDENTIALS = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  crl: undefined,
  certificate: undefined,
  username: undefined,
  password: undefined,
};

export interface PlainLink {
  readonly link: Link;
  /** The broker's side. */
  readonly socket: Socket;
}

export interface PlainLinkOptions {
  readonly protocol?: 4 | 5;
  readonly keepAliveMs?: number;
  readonly clock?: typeof systemClock;
  readonly listener?: Partial<LinkListener>;
  /** CONNECT has come: the broker has the word. */
  readonly connect: (socket: Socket) => void;
}

export async function plainLink(t: TestContext, options: PlainLinkOptions): Promise<PlainLink> {
  const { protocol = 5, keepAliveMs = 60_000, clock = systemClock, listener = {}, connect } = options;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => connect(socket));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const opening = await mqttLinkOpener(() => NO_CREDENTIALS, { clock }).open(
    {
      url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
      protocol,
      clientIdentifier: 'pump-42',
      cleanStart: false,
      keepAliveMs,
      sessionExpiryMs: 60_000,
      connectTimeoutMs: DEADLINE_MS,
      will: undefined,
    },
    {
      inbound: (chunk) => [chunk],
      drained: () => undefined,
      message: () => undefined,
      ended: () => undefined,
      ...listener,
    },
  );
  assert.ok(opening.kind === 'up');
  const { link } = opening;
  t.after(() => link.destroy({ word: 'own.ended', text: 'test' }));
  return { link, socket: sockets[0] as Socket };
}
