/** The rig itself: a link that fails as told, a broker that lets in whom it should, a pump that keeps its word. */
import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { MqttClient } from 'mqtt';
import { maySubscribe, mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { DemoBroker } from '../../src/workbench/demo-broker.ts';
import { FuelPump, volumeText } from '../../src/workbench/fuel-pump.ts';
import { PACKET_TYPE, PacketSplitter } from '../../src/workbench/packet-splitter.ts';
import type { Verdict } from '../../src/workbench/deliveries.ts';
import { seededRandom } from '../../src/workbench/random.ts';
import { startConsumer } from './consumer.ts';
import { cutAtRandom, startLink } from './link.ts';
import { startMosquitto } from './mosquitto.ts';
import { testRandom } from './random.ts';
import { until } from './wait.ts';

const DEADLINE_MS = 5000;
const RULES = { prefix: 'fp/v1', consumers: ['collector'] };

interface Echo {
  readonly port: number;
  readonly heard: () => string;
}

async function startEcho(t: TestContext): Promise<Echo> {
  let heard = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, heard: () => heard };
}

function dial(t: TestContext, port: number): { readonly socket: Socket; readonly heard: () => string } {
  let heard = '';
  const socket = connectTcp({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    heard += bytes.toString();
  });
  t.after(() => socket.destroy());
  return { socket, heard: () => heard };
}

test('a link delays, cuts, refuses and holds, and carries everything else in order', async (t) => {
  const echo = await startEcho(t);
  const link = await startLink(t, { target: echo.port, oneWayDelayMs: 5 });
  const first = dial(t, link.port);
  const sent = Array.from({ length: 200 }, (_, at) => `${at} `).join('');
  for (const part of sent.match(/.{1,7}/g) ?? []) first.socket.write(part);
  await until(() => first.heard() === sent, 'all bytes back, in order', DEADLINE_MS);
  assert.equal(link.counters.bytes.up, sent.length);

  assert.equal(link.cut(), 1);
  await until(() => first.socket.destroyed, 'the cut connection to end', DEADLINE_MS);
  link.refuse();
  const second = dial(t, link.port);
  await until(() => second.socket.destroyed, 'the refused connection to end', DEADLINE_MS);
  link.accept();

  const third = dial(t, link.port);
  third.socket.write('x');
  await until(() => third.heard() === 'x', 'an accepted connection', DEADLINE_MS);
  link.hold();
  const before = echo.heard();
  third.socket.write('swallowed');
  link.accept();
  await until(() => third.socket.destroyed, 'the held connection to be cut afterwards', DEADLINE_MS);
  assert.equal(echo.heard(), before);
});

test('packets are found on any cutting of the bytes', () => {
  const packets = [
    Buffer.of(0xc0, 0),
    Buffer.concat([Buffer.of(0x30, 0xc8, 0x01), Buffer.alloc(200, 1)]),
    Buffer.of(0x70, 2, 0, 1),
  ];
  const bytes = Buffer.concat(packets);
  for (let size = 1; size <= bytes.length; size += 1) {
    const splitter = new PacketSplitter();
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const packet of splitter.take(bytes.subarray(at, at + size))) found.push(Buffer.from(packet.bytes));
    }
    assert.deepEqual(found, packets);
  }
});

test('a link cuts just before the packet that a test names', async (t) => {
  const mosquitto = await startMosquitto(t);
  const seen: string[] = [];
  let cutAt: number = PACKET_TYPE.pubrec;
  const link = await startLink(t, {
    target: mosquitto.port,
    watch: (direction, packet) => {
      seen.push(`${direction} ${packet.type}`);
      if (direction !== 'down' || packet.type !== cutAt) return 'pass';
      cutAt = 0;
      return 'cut';
    },
  });
  const client = new MqttClient(() => connectTcp({ port: link.port, host: '127.0.0.1' }), {
    clientId: 'a',
    clean: false,
    protocolVersion: 4,
    reconnectPeriod: 20,
  });
  client.on('error', () => undefined);
  t.after(() => client.endAsync(true));
  await client.publishAsync('a/b', 'x', { qos: 2 });
  assert.equal(seen.filter((packet) => packet === `up ${PACKET_TYPE.publish}`).length, 2, seen.join(', '));
  assert.equal(link.counters.cuts, 1);
});

test('a consumer gets each event once over a link that is cut again and again', async (t) => {
  const mosquitto = await startMosquitto(t);
  const link = await startLink(t, { target: mosquitto.port, oneWayDelayMs: 2 });
  let newsOn = 0;
  const onEvent = (verdict: Verdict): void => {
    if (verdict === 'new') newsOn = link.counters.connections;
  };
  const consumer = await startConsumer(t, { port: link.port, root: 'fp/v1/pump-42', onEvent });
  const { deliveries } = consumer;
  const options = { clientId: 'sender', protocolVersion: 5, reconnectPeriod: 0 } as const;
  const sender = new MqttClient(() => connectTcp({ port: mosquitto.port, host: '127.0.0.1' }), options);
  t.after(() => sender.endAsync(true));
  // Mosquitto 2.0.11 publishes again what was one PUBREL from its end when two connections in a row end before that
  // PUBREL is out (seen); so each connection may bring something new first.
  const cutting = cutAtRandom(t, link, testRandom(t), [20, 120], () => newsOn === link.counters.connections);
  const expected: { readonly device: string; readonly epoch: string; readonly seq: number }[] = [];
  while (expected.length < 300 || (consumer.connects < 4 && expected.length < 10_000)) {
    const event = { device: 'pump-42', epoch: 'E1', seq: expected.length + 1 };
    expected.push(event);
    await sender.publishAsync('fp/v1/pump-42/up/event/sale', JSON.stringify(event), { qos: 2 });
  }
  assert.ok((await cutting.stop()) >= 3);
  await until(
    () => deliveries.lost(expected).length === 0,
    () => deliveries.lost(expected).join(),
    DEADLINE_MS,
  );
  const { events, repeats, forks, gaps } = deliveries.figures;
  assert.deepEqual({ events, repeats, forks, gaps }, { events: expected.length, repeats: 0, forks: 0, gaps: 0 });
});

test('the embedded broker knows clients by certificate and holds them to the rules', async (t) => {
  const { ca, server, client, others } = await makeDevelopmentCertificates({
    device: 'pump-42',
    others: ['collector', 'pump-43'],
  });
  const broker = new DemoBroker({ rules: RULES, ca, ...server });
  t.after(() => broker.stop());
  await broker.start();
  const join = (name: string, pair: { readonly cert: string; readonly key: string } | undefined): MqttClient => {
    const options = { clientId: name, protocolVersion: 4, reconnectPeriod: 0 } as const;
    const mqtt = new MqttClient(() => connectTls({ port: broker.port, host: '127.0.0.1', ca, ...pair }), options);
    mqtt.on('error', () => undefined);
    t.after(() => mqtt.endAsync(true));
    return mqtt;
  };
  const [collector, other] = others;
  const consumer = join('collector', collector);
  const heard: string[] = [];
  consumer.on('message', (topic) => heard.push(topic));
  await consumer.subscribeAsync('fp/v1/pump-42/up/#', { qos: 2 });

  const device = join('pump-42', client);
  await device.subscribeAsync('fp/v1/pump-42/down/#', { qos: 1 });
  await device.publishAsync('fp/v1/pump-42/up/event/sale', 'x', { qos: 2 });
  await until(() => heard.length === 1, 'the event', DEADLINE_MS);

  const stranger = join('pump-43', other);
  await assert.rejects(stranger.subscribeAsync('fp/v1/pump-42/down/#', { qos: 1 }));
  await stranger.publishAsync('fp/v1/pump-42/up/event/sale', 'forged', { qos: 0 });
  await until(() => broker.refusals.some((text) => /pump-43 may not write/.test(text)), 'the refusal', DEADLINE_MS);
  const nobody = join('nobody', undefined);
  await until(
    () => broker.refusals.some((text) => /TLS/.test(text)),
    'the one without a certificate refused',
    DEADLINE_MS,
  );
  assert.equal(nobody.connected, false);
  assert.deepEqual(heard, ['fp/v1/pump-42/up/event/sale']);
});

test('the access rules are the same for both brokers', () => {
  assert.match(
    mosquittoAcl(RULES),
    /^pattern write fp\/v1\/%u\/up\/#\npattern read fp\/v1\/%u\/down\/#\npattern read fp\/v1\/_group\/\+\/down\/#\n\nuser collector\n/,
  );
  for (const [name, filter, allowed] of [
    ['pump-42', 'fp/v1/pump-42/down/#', true],
    ['pump-42', 'fp/v1/_group/north/down/#', true],
    ['pump-42', 'fp/v1/_group/north/up/#', false],
    ['pump-42', 'fp/v1/+/down/#', false],
    ['pump-42', 'fp/v1/pump-42/up/#', false],
    ['pump-42', '#', false],
    ['collector', 'fp/v1/+/up/event/#', true],
    ['collector', 'fp/v1/#', false],
    ['collector', '#', false],
  ] as const) {
    assert.equal(maySubscribe(RULES, name, filter), allowed, `${name} ${filter}`);
  }
});

test('the pump repeats a sale until its own whole acknowledgement, and queues beyond its window', () => {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  const pump = new FuelPump({ boot: 'a1', window: 1, repeatMs: 300, random: seededRandom(1), write });
  pump.sell(0);
  pump.sell(10);
  assert.equal(written.length, 1);
  pump.tick(299);
  assert.equal(written.length, 1);
  pump.tick(300);
  assert.deepEqual([written.length, written[0], pump.repeats], [2, written[1], 1]);
  for (const answer of ['ACK a1 2\n', 'ACK b1 1\n', 'ACK a1 1', 'ACK a1 1\n']) pump.take(Buffer.from(answer), 310);
  assert.equal(pump.accepted.length, 0, 'an answer that was cut by a kill is not one');
  pump.take(Buffer.from('ACK a1 1\r\n'), 320);
  assert.deepEqual([pump.accepted.map((sale) => sale.seq), pump.waiting, written.length], [[1], 1, 3]);
  assert.equal(volumeText({ boot: 'a1', seq: 1, ml: 1010, cents: 0 }), '1.010');
});
