/**
 * The scripted broker beside the real one that it plays: the same raw packets to both, and the same answers, packet by
 * packet, in the same order. Only Mosquitto 2.0.11 can be asked here; the other profiles stand on what was measured before.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { generate, type Packet, parser } from 'mqtt-packet';
import { startMosquitto } from '../rig/mosquitto.ts';
import { until } from '../rig/wait.ts';
import { ScriptedBroker } from '../scripted-broker/broker.ts';
import { MOSQUITTO_2_0_11 } from '../scripted-broker/profiles.ts';

const DEADLINE_MS = 5000;

interface Client {
  readonly socket: Socket;
  /** Sends, and resolves when the answer is there. */
  readonly ask: (packet: Packet) => Promise<void>;
  readonly answers: readonly string[];
}

function dial(t: TestContext, port: number, protocolVersion: 4 | 5): Client {
  const socket = connect({ port, host: '127.0.0.1' });
  const answers: string[] = [];
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  const reader = parser({ protocolVersion });
  reader.on('packet', (packet) => answers.push(wordsOf(packet)));
  socket.on('data', (bytes: Buffer) => reader.parse(bytes));
  const ask = async (packet: Packet): Promise<void> => {
    const before = answers.length;
    socket.write(generate(packet, { protocolVersion }));
    await until(() => answers.length > before, `an answer to ${packet.cmd}`, DEADLINE_MS);
  };
  return { socket, ask, answers };
}

function wordsOf(packet: Packet): string {
  const { messageId, reasonCode, granted, sessionPresent, returnCode, properties } = packet as Packet & {
    readonly granted?: readonly number[];
    readonly reasonCode?: number;
    readonly returnCode?: number;
    readonly sessionPresent?: boolean;
    readonly properties?: { readonly receiveMaximum?: number };
  };
  // Its height is a setting.
  const receive = properties?.receiveMaximum === undefined ? '' : ' with a receive maximum';
  const present = sessionPresent === undefined ? '' : ` present ${sessionPresent}`;
  return `${packet.cmd} ${messageId ?? ''} ${reasonCode ?? returnCode ?? 0} ${granted?.join() ?? ''}${present}${receive}`;
}

function hello(protocolVersion: 4 | 5, clean: boolean): Packet {
  const base = { cmd: 'connect', protocolId: 'MQTT', protocolVersion, clientId: 'c', clean, keepalive: 0 } as const;
  return protocolVersion === 5 ? { ...base, properties: { sessionExpiryInterval: 3600 } } : base;
}

function event(messageId: number, payload: string, dup: boolean): Packet {
  return { cmd: 'publish', topic: 'a/b', payload, qos: 2, retain: false, dup, messageId };
}

/** Everything that the agent asks of a broker, and some that it never should. */
async function dialogue(t: TestContext, port: number, protocol: 4 | 5): Promise<readonly string[]> {
  const first = dial(t, port, protocol);
  await first.ask(hello(protocol, true));
  first.socket.end(generate({ cmd: 'disconnect' }, { protocolVersion: protocol }));
  await until(() => first.socket.closed, 'the first connection to end', DEADLINE_MS);

  const second = dial(t, port, protocol);
  await second.ask(hello(protocol, false));
  await second.ask({ cmd: 'unsubscribe', messageId: 40_000, unsubscriptions: ['x/y'] });
  await second.ask({ cmd: 'subscribe', messageId: 40_001, subscriptions: [{ topic: 'x/y', qos: 1 }] });
  await second.ask({ cmd: 'unsubscribe', messageId: 40_002, unsubscriptions: ['x/y'] });
  await second.ask({ cmd: 'publish', topic: 's', payload: 'on', qos: 1, retain: true, dup: false, messageId: 40_003 });
  await second.ask(event(1, 'one', false));
  await second.ask(event(1, 'one', true));
  await second.ask({ cmd: 'pubrel', messageId: 1 });
  await second.ask({ cmd: 'pubrel', messageId: 1 });
  await second.ask({ cmd: 'pubrel', messageId: 9 });
  await second.ask(event(2, 'two', false));
  await second.ask(event(3, 'three', false));
  await second.ask({ cmd: 'pingreq' });

  const third = dial(t, port, protocol);
  await third.ask(hello(protocol, false));
  await until(() => second.socket.closed, 'the taken-over connection to end', DEADLINE_MS);
  await third.ask(event(2, 'two', true));
  await third.ask(event(3, 'other', false));
  await third.ask({ cmd: 'pubrel', messageId: 2 });
  await third.ask({ cmd: 'pubrel', messageId: 3 });
  return [first, second, third].flatMap(({ answers }) => answers);
}

for (const protocol of [5, 4] as const) {
  test(`the scripted Mosquitto 2.0.11 answers as the real one, MQTT ${protocol === 5 ? '5' : '3.1.1'}`, async (t) => {
    const mosquitto = await startMosquitto(t);
    const scripted = new ScriptedBroker(MOSQUITTO_2_0_11);
    t.after(() => scripted.stop());
    await scripted.start();
    const expected = await dialogue(t, mosquitto.port, protocol);
    assert.ok(expected.length >= 18, expected.join('\n'));
    scripted.consumer('none');
    assert.deepEqual(await dialogue(t, scripted.port, protocol), expected);
    scripted.consumer('there');
    await dialogue(t, scripted.port, protocol);
    assert.deepEqual(
      scripted.onward.filter(({ qos }) => qos === 2).map(({ payload }) => payload.toString()),
      ['one', 'two', 'other'],
    );
  });
}
