/**
 * The shipped Mosquitto configuration and access rules, run by a real Mosquitto with only paths, port and user replaced.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { parseDeviceConfig } from '../src/config/parse.ts';
import { makeAuthority } from '../src/workbench/certificates.ts';
import { Child } from '../src/workbench/child.ts';
import { findMosquitto, freePort } from '../src/workbench/mosquitto.ts';
import { until } from '../src/workbench/wait.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DEADLINE_MS = 10_000;
const NAMES = ['pump-42', 'pump-43', 'collector', 'operator'] as const;
type Name = (typeof NAMES)[number];

interface Broker {
  startConnect(name: Name | undefined, options?: IClientOptions): MqttClient;
  /** Rejects with the first error. */
  connect(name: Name | undefined, options?: IClientOptions): Promise<MqttClient>;
}

const program = findMosquitto();
const skip = program === undefined ? 'no mosquitto on this machine' : false;

async function startShipped(t: TestContext): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'fieldpost-mosquitto-config-'));
  const authority = await makeAuthority('test authority');
  const server = await authority.issueServer(['localhost', '127.0.0.1']);
  const clients = new Map(
    await Promise.all(NAMES.map(async (name) => [name, await authority.issueClient(name)] as const)),
  );
  const port = await freePort();
  await mkdir(join(folder, 'tls'));
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'tls/ca.pem'), authority.ca);
  await writeFile(join(folder, 'tls/server.pem'), server.cert);
  await writeFile(join(folder, 'tls/server.key'), server.key);
  const acl = await readFile(join(ROOT, 'config/mosquitto/acl'), 'utf8');
  // The examples of a consumer and an operator are comments as shipped; here they are put to work.
  await writeFile(join(folder, 'acl'), acl.replaceAll(/^# (user|topic) /gm, '$1 '));
  const shipped = await readFile(join(ROOT, 'config/mosquitto/fieldpost.conf'), 'utf8');
  const file = join(folder, 'fieldpost.conf');
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  await writeFile(
    file,
    user +
      shipped
        .replaceAll('/etc/fieldpost/', `${folder}/`)
        .replace('#persistence_location /var/lib/mosquitto/', `persistence_location ${folder}/data/`)
        .replace(/^listener 8883$/m, `listener ${port} 127.0.0.1`),
  );
  const child = new Child({ command: program ?? 'mosquitto', args: ['-c', file] });
  t.after(async () => {
    await child.kill9();
    await rm(folder, { recursive: true, force: true });
  });
  const startConnect: Broker['startConnect'] = (name, options = {}) => {
    const pair = name === undefined ? {} : clients.get(name);
    const client = connect(`mqtts://localhost:${port}`, {
      ca: authority.ca,
      ...pair,
      protocolVersion: 5,
      clientId: name ?? 'nobody',
      reconnectPeriod: 0,
      ...options,
    });
    t.after(() => client.end(true));
    return client;
  };
  await until(
    () => {
      assert.equal(child.ended, undefined, `mosquitto ended: ${child.lastWords()}`);
      return accepts(port);
    },
    () => `mosquitto; last: ${child.lastWords()}`,
    DEADLINE_MS,
  );
  return {
    startConnect,
    connect: async (name, options) => {
      const client = startConnect(name, options);
      await connected(client);
      return client;
    },
  };
}

function connected(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((done, fail) => {
    client.once('connect', done);
    client.once('error', fail);
  });
}

async function accepts(port: number): Promise<boolean> {
  const socket = connectTcp(port, '127.0.0.1');
  return once(socket, 'connect')
    .then(() => true)
    .catch(() => false)
    .finally(() => socket.destroy());
}

/** The reason code of a refused publish; undefined: taken. */
async function refusal(client: MqttClient, topic: string): Promise<unknown> {
  return client.publishAsync(topic, 'x', { qos: 1 }).then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}

test('a device writes below its own up/ and nowhere else', { skip }, async (t) => {
  const broker = await startShipped(t);
  const device = await broker.connect('pump-42');
  assert.equal(await refusal(device, 'fp/v1/pump-42/up/status'), undefined);
  assert.equal(await refusal(device, 'fp/v1/pump-42/up/event/sale'), undefined);
  for (const topic of [
    'fp/v1/pump-43/up/status',
    'fp/v1/pump-42/down/receipt',
    'fp/v1/pump-43/down/command/host.reboot/1',
    'fp/v2/pump-42/up/status',
    'other',
  ]) {
    assert.equal(await refusal(device, topic), 0x87, topic);
  }
});

test('a client identifier or user name of another device gives nothing: the certificate counts', {
  skip,
}, async (t) => {
  const broker = await startShipped(t);
  const device = await broker.connect('pump-42', { clientId: 'pump-43', username: 'pump-43' });
  assert.equal(await refusal(device, 'fp/v1/pump-43/up/status'), 0x87);
  assert.equal(await refusal(device, 'fp/v1/pump-42/up/status'), undefined);
});

test('a device reads below its own down/ and hears nothing else', { skip }, async (t) => {
  const broker = await startShipped(t);
  const device = await broker.connect('pump-42');
  const other = await broker.connect('pump-43');
  const operator = await broker.connect('operator');
  const heard: string[] = [];
  device.on('message', (topic) => heard.push(topic));
  await device.subscribeAsync('fp/v1/pump-42/down/#', { qos: 1 });
  // Mosquitto grants filters of others and filters at delivery.
  await device.subscribeAsync('fp/v1/+/+/#', { qos: 1 });
  await other.publishAsync('fp/v1/pump-43/up/status', 'x', { qos: 1 });
  await operator.publishAsync('fp/v1/pump-43/down/command/config.get/1', 'x', { qos: 1 });
  await operator.publishAsync('fp/v1/pump-42/down/command/config.get/2', 'x', { qos: 1 });
  await until(() => heard.length > 0, 'the command to this device', DEADLINE_MS);
  assert.ok(
    heard.every((topic) => topic === 'fp/v1/pump-42/down/command/config.get/2'),
    heard.join(' '),
  );
});

test('a device hears commands to a group, which only the operator may send', { skip }, async (t) => {
  const broker = await startShipped(t);
  const device = await broker.connect('pump-42');
  const operator = await broker.connect('operator');
  const heard: string[] = [];
  device.on('message', (topic) => heard.push(topic));
  await device.subscribeAsync('fp/v1/_group/north/down/#', { qos: 1 });
  const topic = 'fp/v1/_group/north/down/command/ping/1';
  assert.equal(await refusal(operator, topic), undefined);
  await until(() => heard.includes(topic), 'the command', DEADLINE_MS);
  const consumer = await broker.connect('collector');
  for (const one of [device, consumer]) assert.equal(await refusal(one, topic), 0x87);
  assert.equal(await refusal(operator, 'fp/v1/_group/north/up/status'), 0x87);
});

test('the consumer and the operator of the examples can do their part and no more', { skip }, async (t) => {
  const broker = await startShipped(t);
  const device = await broker.connect('pump-42');
  const consumer = await broker.connect('collector');
  const heard: string[] = [];
  consumer.on('message', (topic) => heard.push(topic));
  await consumer.subscribeAsync('fp/v1/+/up/#', { qos: 2 });
  await device.publishAsync('fp/v1/pump-42/up/event/sale', 'x', { qos: 2 });
  await until(() => heard.includes('fp/v1/pump-42/up/event/sale'), 'the event at the consumer', DEADLINE_MS);
  assert.equal(await refusal(consumer, 'fp/v1/pump-42/down/receipt'), undefined);
  assert.equal(await refusal(consumer, 'fp/v1/pump-42/down/command/config.get/1'), 0x87);
  assert.equal(await refusal(consumer, 'fp/v1/pump-42/up/event/sale'), 0x87);
  const operator = await broker.connect('operator');
  assert.equal(await refusal(operator, 'fp/v1/pump-42/down/receipt'), 0x87);
  assert.equal(await refusal(operator, 'fp/v1/pump-42/down/command/config.get/1'), undefined);
});

test('a client without a certificate, with one of another authority, or of TLS 1.1 is refused', {
  skip,
}, async (t) => {
  const broker = await startShipped(t);
  await assert.rejects(broker.connect(undefined), /certificate/i);
  const stranger = await (await makeAuthority('stranger')).issueClient('pump-42');
  await assert.rejects(broker.connect('pump-42', stranger), /unknown ca|certificate/i);
  await assert.rejects(broker.connect('pump-42', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' } as IClientOptions));
});

test('the shipped broker grants a receive maximum above the window of the shipped device.json', { skip }, async (t) => {
  const broker = await startShipped(t);
  const parsed = parseDeviceConfig(await readFile(join(ROOT, 'device.json'), 'utf8'));
  assert.ok(parsed.ok);
  const device = broker.startConnect('pump-42');
  const connack = await connected(device);
  const granted = connack.properties?.receiveMaximum ?? 0;
  assert.ok(granted > parsed.config.broker.window, `receive maximum ${granted}`);
});

test('every line of the shipped configuration has its reason above it', async () => {
  for (const name of ['fieldpost.conf', 'acl']) {
    const lines = (await readFile(join(ROOT, 'config/mosquitto', name), 'utf8')).split('\n');
    for (const [index, line] of lines.entries()) {
      if (line === '' || line.startsWith('#')) continue;
      assert.match(lines[index - 1] ?? '', /^# /, `${name}:${index + 1}: ${line}`);
    }
  }
});
