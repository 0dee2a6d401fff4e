/** Packets that are too large or malformed are known by their first bytes, however they are cut, and end the link before they are read. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import { type BadPacket, PacketGate } from '../../src/platform/packet-gate.ts';
import type { LinkEnd } from '../../src/ports-broker.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 10_000;
const MIB = 1024 * 1024;
const ANNOUNCED = 256 * 1024;
/** What may be read beyond the bound before the socket is closed: buffers of the kernel on both sides, and one of Node's. */
const UNDER_WAY_MAX = 16 * MIB;

function header(type: number, length: number): Buffer {
  const bytes = [type];
  let rest = length;
  do {
    bytes.push((rest & 0x7f) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function packet(length: number): Buffer {
  return Buffer.concat([header(0x30, length), Buffer.alloc(length, 0xff)]);
}

test('the first packet beyond the bound is found where it begins, in any cutting, and none within it', () => {
  const within = fc.integer({ min: 0, max: 300 });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(
      fc.array(within, { maxLength: 8 }),
      fc.integer({ min: 300, max: 3e6 }),
      cuts,
      (sizes, tooLong, steps) => {
        const sound = Buffer.concat(sizes.map(packet));
        const stream = Buffer.concat([sound, header(0x32, tooLong)]);
        const bound = new PacketGate(303);
        let at = 0;
        for (let step = 0; at < stream.length; step += 1) {
          const chunk = stream.subarray(at, at + (steps[step % steps.length] as number));
          const found = bound.take(chunk);
          if (found !== undefined) {
            assert.equal(found.kind, tooLong > 268_435_455 ? 'malformed' : 'too-large');
            // Of the bad packet's own header a part may lie in chunks before.
            assert.ok(found.at === 0 || at + found.at === sound.length);
            assert.ok(at + chunk.length > sound.length);
            return;
          }
          at += chunk.length;
        }
        assert.equal(header(0x32, tooLong).length + tooLong <= 303, true, 'not found');
      },
    ),
  );
});

/** What the gate finds in these bytes, fed in pieces of this size. */
function judged(bytes: Buffer, size: number): BadPacket['kind'] | undefined {
  const gate = new PacketGate(ANNOUNCED);
  for (let at = 0; at < bytes.length; at += size) {
    const found = gate.take(bytes.subarray(at, at + size));
    if (found !== undefined) return found.kind;
  }
  return undefined;
}

const RUBBISH: readonly (readonly [string, readonly number[]])[] = [
  ['a length of five bytes', [0x30, 0x80, 0x80, 0x80, 0x80, 1]],
  ['QoS 3', [0x36, 4, 0, 1, 0x61, 0]],
  ['a publish that ends before its topic length', [0x32, 1, 0]],
  ['a publish that ends before its identifier', [0x32, 4, 0, 1, 0x61, 7]],
  ['a publish whose topic is longer than it', [0x34, 6, 0, 200, 0x61, 0x61, 0, 1]],
  ['a publish with identifier 0', [0x32, 5, 0, 1, 0x61, 0, 0]],
  ['an empty PUBACK', [0x40, 0]],
  ['a PUBREC of one byte', [0x50, 1, 1]],
  ['a PUBREL with identifier 0', [0x62, 2, 0, 0]],
  ['a SUBACK without an identifier', [0x90, 1, 0]],
  ['an UNSUBACK with identifier 0', [0xb0, 4, 0, 0, 0, 0]],
];

for (const [name, bytes] of RUBBISH) {
  test(`malformed, in any cutting and behind sound packets: ${name}`, () => {
    const sound = Buffer.of(0xd0, 0, 0x20, 3, 0, 0, 0, 0x32, 6, 0, 1, 0x61, 0, 1, 0x62, 0x40, 2, 0, 1);
    for (const size of [1, 2, 3, 7, 1000]) {
      assert.equal(judged(Buffer.concat([sound, Buffer.from(bytes), sound]), size), 'malformed');
      assert.equal(judged(sound, size), undefined);
    }
  });
}

test('whatever a sound broker sends passes, in any cutting', () => {
  const messageId = fc.integer({ min: 1, max: 65_535 });
  const publish = fc.record({
    cmd: fc.constant('publish' as const),
    topic: fc
      .string({ minLength: 1, maxLength: 300, unit: 'grapheme-ascii' })
      .map((topic) => topic.replace(/[#+]/g, 'x')),
    payload: fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    dup: fc.constant(false),
    retain: fc.boolean(),
    messageId,
  });
  const ack = fc.record({ cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const), messageId });
  const suback = fc.record({ cmd: fc.constant('suback' as const), messageId, granted: fc.constant<number[]>([1]) });
  const ping = fc.constant({ cmd: 'pingresp' as const });
  const packets = fc.array(fc.oneof(publish, ack, suback, ping), { maxLength: 12 });
  const protocolVersion = fc.constantFrom(4, 5);
  fc.assert(
    fc.property(packets, protocolVersion, fc.integer({ min: 1, max: 64 }), (all, version, size) => {
      const bytes = Buffer.concat(all.map((each) => generate(each, { protocolVersion: version })));
      assert.equal(judged(bytes, size), undefined);
    }),
  );
});

interface Ended {
  readonly end: LinkEnd;
  /** Bytes that the broker got rid of before it was over. */
  readonly taken: number;
  /** What the broker heard behind CONNECT. */
  readonly heard: Buffer;
}

/** A broker that accepts, then streams one packet of this length as fast as it is taken. */
async function flood(t: TestContext, protocol: 4 | 5, length: number): Promise<Ended> {
  let broker: Socket | undefined;
  let connect = 0;
  const heard: Buffer[] = [];
  const server = createServer((socket) => {
    broker = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      if (connect > 0) heard.push(bytes);
      connect += bytes.length;
    });
    socket.once('data', () => {
      socket.write(protocol === 5 ? Buffer.of(0x20, 3, 0, 0, 0) : Buffer.of(0x20, 2, 0, 0));
    });
  });
  t.after(() => {
    broker?.destroy();
    server.close();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const url = `mqtt://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  let ended: LinkEnd | undefined;
  const none = { cert: undefined, key: undefined, ca: undefined, crl: undefined };
  const opening = await mqttLinkOpener(() => ({
    ...none,
    certificate: undefined,
    username: undefined,
    password: undefined,
  })).open(
    {
      url,
      protocol,
      clientIdentifier: 'pump-42',
      cleanStart: false,
      keepAliveMs: 10_000,
      sessionExpiryMs: 60_000,
      connectTimeoutMs: DEADLINE_MS,
      will: { topic: 'a', payload: Buffer.from('{}'), delayMs: 0 },
    },
    {
      inbound: (chunk) => [chunk],
      drained: () => undefined,
      message: () => assert.fail('a packet that was not to be read'),
      ended: (end) => {
        ended = end;
      },
    },
  );
  assert.equal(opening.kind, 'up');
  broker?.write(header(0x30, length));
  const block = Buffer.alloc(64 * 1024, 0x61);
  const more = (): void => {
    while (broker?.destroyed === false && broker.bytesWritten < length && broker.write(block));
  };
  broker?.on('drain', more);
  more();
  const end = await until(() => ended, 'the end of the link', DEADLINE_MS);
  await until(() => broker?.destroyed, 'the end of the connection', DEADLINE_MS);
  const unsent = broker?.writableLength ?? 0;
  return { end, taken: (broker?.bytesWritten ?? 0) - unsent, heard: Buffer.concat(heard) };
}

for (const protocol of [5, 4] as const) {
  const name = protocol === 5 ? 'MQTT 5' : 'MQTT 3.1.1';
  test(`a packet of 10 MB and one of 200 MB end the link by their first bytes, in their own words, over ${name}`, async (t) => {
    for (const length of [10 * MIB, 200 * MIB]) {
      const { end, taken, heard } = await flood(t, protocol, length);
      assert.equal(end.word, 'broker.too-large');
      assert.match(end.text, new RegExp(`${length + 5} bytes, this side takes ${ANNOUNCED} at most`));
      // DISCONNECT "packet too large", where MQTT has one.
      assert.equal(heard.toString('hex'), protocol === 5 ? 'e0029500' : '');
      if (length > UNDER_WAY_MAX) assert.ok(taken < UNDER_WAY_MAX, `${taken} bytes were taken`);
    }
  });
}
