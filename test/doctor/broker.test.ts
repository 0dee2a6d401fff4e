/** `fieldpost doctor` on brokers that are down, that let too much through, or that promise less than exactly once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect, type MqttClient } from 'mqtt';
import { startMosquitto } from '../rig/mosquitto.ts';
import { freePort } from '../../src/workbench/mosquitto.ts';
import { connackOnly } from '../../src/cli/doctor-mqtt.ts';
import {
  EMQX_5,
  EMQX_6_2_0,
  MOSQUITTO_2_0_20,
  NANOMQ,
  NO_PERSISTENT_SESSION,
  NO_QOS_2,
  NO_RETAIN,
  type Profile,
} from '../scripted-broker/profiles.ts';
import { doctor, failsOnlyIn, type PairFiles, setDevice, setScripted, shows, type Wanted } from './rig.ts';

const BROKER = /^broker/;

test('a broker that is down is named, and the other one of the list is looked at', async (t) => {
  const device = await setDevice(t);
  const broker = await device.mosquitto();
  const down = `mqtts://127.0.0.1:${await freePort()}`;
  const urls = [down, `mqtts://127.0.0.1:${broker.port}`];
  const seen = await doctor(t, await device.configure(broker.port, { broker: { urls } }));
  const first = new RegExp(`^broker ${down}$`);
  shows(seen, { part: first, name: /^TCP$/, state: 'failed', found: /^network\.refused: /, todo: /firewall/ });
  shows(seen, { part: first, name: /^TLS$/, state: 'skipped', found: /TCP failed/ });
  shows(seen, {
    part: new RegExp(`:${broker.port}$`),
    name: /^CONNECT$/,
    state: 'ok',
    found: /as pump-42-doctor, MQTT 5$/,
  });
  failsOnlyIn(seen, first);
});

test('a name that does not resolve is named, and nothing behind it is tried', async (t) => {
  const device = await setDevice(t);
  const seen = await doctor(t, await device.configure(1, { broker: { urls: ['mqtts://broker.invalid'] } }));
  shows(seen, {
    part: BROKER,
    name: /^name$/,
    state: 'failed',
    found: /^broker\.invalid does not resolve/,
    todo: /DNS/,
  });
  shows(seen, { part: BROKER, name: /^TCP$/, state: 'skipped', found: /name failed/ });
  failsOnlyIn(seen, BROKER);
});

test('access rules that let a device into the topics of others are proven by its own message', async (t) => {
  const device = await setDevice(t);
  const broker = await device.mosquitto({ acl: 'pattern readwrite fp/v1/#\npattern read $SYS/broker/version\n' });
  const seen = await doctor(t, await device.configure(broker.port));
  shows(seen, { part: BROKER, name: /^version$/, state: 'ok', found: /^Mosquitto 2\./ });
  const confine = { part: BROKER, state: 'warning', todo: /^confine each device/ } as const;
  shows(seen, {
    ...confine,
    name: /^read another/,
    found: /lets the device read other devices' commands, and give them/,
  });
  shows(seen, { ...confine, name: /^write another/, found: /speak for other devices/ });
  assert.equal(seen.exit, 0);
});

interface Row {
  readonly profile: Profile;
  /** What it says of itself under $SYS. */
  readonly says?: readonly [topic: string, text: string];
  readonly receipts?: boolean;
  readonly protocol?: 4;
  readonly wanted: Omit<Wanted, 'part' | 'name'>;
}

const EMQX_VERSION = '$SYS/brokers/emqx@127.0.0.1/version';

const ROWS: readonly Row[] = [
  {
    profile: MOSQUITTO_2_0_20,
    says: ['$SYS/broker/version', 'mosquitto version 2.0.20'],
    wanted: { state: 'ok', found: /^exactly-once: while the broker keeps its state; receipts are off$/ },
  },
  {
    profile: MOSQUITTO_2_0_20,
    receipts: true,
    wanted: { state: 'ok', found: /^exactly-once-with-receipts: / },
  },
  {
    profile: MOSQUITTO_2_0_20,
    protocol: 4,
    wanted: { state: 'warning', found: /^refusals-unseen: /, todo: /broker\.protocol to 5/ },
  },
  {
    profile: EMQX_5,
    says: [EMQX_VERSION, '5.3.2'],
    wanted: { state: 'ok', found: /^exactly-once: while the broker keeps its state; receipts are off$/ },
  },
  {
    profile: EMQX_6_2_0,
    says: [EMQX_VERSION, '6.2.1'],
    wanted: {
      state: 'failed',
      found: /^exactly-once: .*EMQX 6\.2\.0 to 6\.2\.3 drop a resend/,
      todo: /ledger\.receipts/,
    },
  },
  {
    profile: EMQX_6_2_0,
    says: [EMQX_VERSION, '6.2.1'],
    receipts: true,
    wanted: { state: 'warning', found: /^exactly-once-with-receipts: .*come late/, todo: /6\.2\.4/ },
  },
  {
    profile: NANOMQ,
    wanted: {
      state: 'ok',
      found: /^exactly-once: .*unless it is one of these: .*NanoMQ hands a resend on a second time/,
    },
  },
  {
    profile: NANOMQ,
    says: ['$SYS/brokers/nanomq/version', 'NanoMQ 0.24.14'],
    wanted: { state: 'warning', found: /^repeats: NanoMQ/, todo: /consumer remove repeats/ },
  },
  {
    profile: NO_QOS_2,
    wanted: { state: 'failed', found: /^held: the broker offers QoS 1 at most; no events leave/, todo: /QoS 2/ },
  },
  {
    profile: NO_PERSISTENT_SESSION,
    wanted: { state: 'warning', found: /^repeats: the broker keeps our session for 0 s/, todo: /sessionExpiry/ },
  },
];

for (const { profile, says, receipts = false, protocol = 5, wanted } of ROWS) {
  const how = `${receipts ? ', with receipts' : ''}${protocol === 4 ? ', MQTT 3.1.1' : ''}${says === undefined ? ', nameless' : ''}`;
  test(`on ${profile.name}${how} it says what the guarantee is`, async (t) => {
    const { broker, config } = await setScripted(t, profile, { broker: { protocol }, ledger: { receipts } });
    if (says !== undefined) broker.say(says[0], Buffer.from(says[1]), true);
    const seen = await doctor(t, config);
    shows(seen, { part: BROKER, name: /^guarantee$/, ...wanted });
    assert.equal(seen.exit, wanted.state === 'failed' ? 1 : 0);
    // Nothing stays behind at the broker.
    assert.deepEqual(broker.clients, []);
    assert.deepEqual([...broker.snapshot().sessions.keys()], []);
    assert.deepEqual(broker.retained('fp/v1/pump-42/up/log'), undefined);
  });
}

test('a broker without retained messages is named with its terms', async (t) => {
  const { config } = await setScripted(t, NO_RETAIN);
  const seen = await doctor(t, config);
  shows(seen, {
    part: BROKER,
    name: /^terms$/,
    state: 'warning',
    found: /^receive maximum 65535, packet size not bounded, QoS up to 2, retained messages not kept/,
    todo: /allow retained/,
  });
});

test("a broker that takes the doctor for the agent is left at once: the agent's session stays, and what is queued in it", async (t) => {
  const device = await setDevice(t);
  const broker = await device.mosquitto({ lines: ['use_username_as_clientid true'] });
  // The broker puts the certificate's name in the place of the identifier.
  const join = (pair: PairFiles): MqttClient => {
    const client = connect(`mqtts://127.0.0.1:${broker.port}`, {
      protocolVersion: 5,
      clientId: 'any',
      clean: false,
      properties: { sessionExpiryInterval: 3600 },
      reconnectPeriod: 0,
      ca: readFileSync(device.tls.ca),
      cert: readFileSync(pair.cert),
      key: readFileSync(pair.key),
    });
    t.after(() => client.end(true));
    return client;
  };
  const agent = join(device.tls);
  await agent.subscribeAsync('fp/v1/pump-42/down/#', { qos: 1 });
  await agent.endAsync();
  const topic = 'fp/v1/pump-42/down/command/ping/1';
  const operator = join(await device.putPair('operator', await device.authority.issueClient('operator')));
  await operator.publishAsync(topic, '{}', { qos: 1 });
  const seen = await doctor(t, await device.configure(broker.port));
  shows(seen, {
    part: BROKER,
    name: /^CONNECT$/,
    state: 'warning',
    found: /name of the certificate/,
    todo: /--no-mqtt/,
  });
  shows(seen, { part: BROKER, name: /^guarantee$/, state: 'ok', found: /^exactly-once/ });
  shows(seen, { part: BROKER, name: /^topics$/, state: 'skipped', found: /agent/ });
  assert.equal(broker.log.filter((line) => / as pump-42 /.test(line)).length, 2, 'one connection of the doctor');
  const back = join(device.tls);
  const queued = await new Promise<string>((resolve) => back.once('message', resolve));
  assert.equal(queued, topic);
});

test('a broker that grants every subscription and judges each message, as Mosquitto does, is no warning', async (t) => {
  const device = await setDevice(t);
  const broker = await device.mosquitto();
  const seen = await doctor(t, await device.configure(broker.port));
  shows(seen, { part: BROKER, name: /^read another/, state: 'ok', found: /judges each message/ });
  shows(seen, { part: BROKER, name: /^write another/, state: 'ok', found: /is refused$/ });
});

test('a broker without any access rules is a warning, and says which it is', async (t) => {
  const device = await setDevice(t);
  const broker = await startMosquitto(t);
  const urls = [`mqtt://127.0.0.1:${broker.port}`];
  const seen = await doctor(t, await device.configure(broker.port, { broker: { urls } }));
  shows(seen, { part: BROKER, name: /^version$/, state: 'ok', found: /^Mosquitto 2\./ });
  shows(seen, { part: BROKER, name: /^guarantee$/, state: 'ok', found: /receipts are off$/ });
  shows(seen, { part: BROKER, name: /^read another/, state: 'warning', found: /and give them$/, todo: /^confine/ });
  shows(seen, { part: BROKER, name: /^write another/, state: 'warning', found: /speak for/, todo: /^confine/ });
});

test('with --no-mqtt the broker sees no CONNECT', async (t) => {
  const { broker, config } = await setScripted(t, EMQX_5);
  const seen = await doctor(t, config, {}, ['--no-mqtt']);
  shows(seen, { part: BROKER, name: /^MQTT$/, state: 'skipped', found: /--no-mqtt/ });
  assert.deepEqual(broker.connects, []);
});

test('the first connection lets nothing through behind CONNACK, however it is cut', () => {
  const connack = Buffer.from('2003000000', 'hex');
  const publish = Buffer.from('3007000161000000ff', 'hex');
  const whole = Buffer.concat([connack, publish]);
  for (let at = 0; at <= whole.length; at += 1) {
    const listener = connackOnly();
    const through = [whole.subarray(0, at), whole.subarray(at)].flatMap((chunk) => listener.inbound(chunk));
    assert.deepEqual(Buffer.concat(through), connack, `cut at ${at}`);
  }
  const refusing = Buffer.from('2003009a00', 'hex');
  const listener = connackOnly();
  const through = [refusing, connack, publish].flatMap((chunk) => listener.inbound(chunk));
  assert.deepEqual(Buffer.concat(through), Buffer.concat([refusing, connack]), 'a connection that follows a refusal');
});
