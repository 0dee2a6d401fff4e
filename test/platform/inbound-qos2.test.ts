/** A broker that sends at QoS 2 what nobody asked for at QoS 2, and releases none of it: how much of it is kept. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { INBOUND_KEPT_MAX } from '../../src/platform/inbound-store.ts';
import { mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 10_000;
const SENT = 200;
/** Of MQTT 3.1.1. */
const CONNACK = Buffer.of(0x20, 2, 0, 0);
const PUBCOMP_BYTES = 4;

const NO_CREDENTIALS = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  crl: undefined,
  certificate: undefined,
  username: undefined,
  password: undefined,
};

test('of messages at QoS 2 that a broker leaves open over MQTT 3.1.1 a few are kept, and the link stays', async (t) => {
  const each = (packet: (identifier: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: SENT }, (_, index) => packet(index + 1)));
  const publishes = each((identifier) => Buffer.of(0x34, 6, 0, 1, 0x61, 0, identifier, 0x78));
  const releases = each((identifier) => Buffer.of(0x62, 2, 0, identifier));
  let received = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(Buffer.concat([CONNACK, publishes]));
      socket.on('data', (chunk) => {
        const before = received;
        received += chunk.length;
        // All of them have been received: a PUBREC each.
        const all = SENT * PUBCOMP_BYTES;
        if (before < all && received >= all) socket.write(releases);
      });
    });
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let messages = 0;
  const opening = await mqttLinkOpener(() => NO_CREDENTIALS).open(
    {
      url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
      protocol: 4,
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
      message: () => {
        messages += 1;
      },
      ended: () => undefined,
    },
  );
  assert.ok(opening.kind === 'up');
  await until(
    () => received >= 2 * SENT * PUBCOMP_BYTES,
    () => `PUBREC and PUBCOMP for each, got ${received} bytes`,
    DEADLINE_MS,
  );
  assert.equal(messages, INBOUND_KEPT_MAX);
  await opening.link.end();
});
