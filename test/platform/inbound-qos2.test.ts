/** A broker that sends at QoS 2 what nobody asked for at QoS 2, and releases none of it: how much of it is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INBOUND_KEPT_MAX } from '../../src/platform/inbound-store.ts';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, plainLink } from './plain-link.ts';

const SENT = 200;
/** Of MQTT 3.1.1. */
const CONNACK = Buffer.of(0x20, 2, 0, 0);
const PUBCOMP_BYTES = 4;

test('of messages at QoS 2 that a broker leaves open over MQTT 3.1.1 a few are kept, and the link stays', async (t) => {
  const each = (packet: (identifier: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: SENT }, (_, index) => packet(index + 1)));
  const publishes = each((identifier) => Buffer.of(0x34, 6, 0, 1, 0x61, 0, identifier, 0x78));
  const releases = each((identifier) => Buffer.of(0x62, 2, 0, identifier));
  let received = 0;
  let messages = 0;
  const { link } = await plainLink(t, {
    protocol: 4,
    listener: {
      message: () => {
        messages += 1;
      },
    },
    connect: (socket) => {
      socket.write(Buffer.concat([CONNACK, publishes]));
      socket.on('data', (chunk) => {
        const before = received;
        received += chunk.length;
        // All of them have been received: a PUBREC each.
        const all = SENT * PUBCOMP_BYTES;
        if (before < all && received >= all) socket.write(releases);
      });
    },
  });
  await until(
    () => received >= 2 * SENT * PUBCOMP_BYTES,
    () => `PUBREC and PUBCOMP for each, got ${received} bytes`,
    DEADLINE_MS,
  );
  assert.equal(messages, INBOUND_KEPT_MAX);
  await link.end();
});
