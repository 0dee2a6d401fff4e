/**
 * Row `MQTT.js, memory` of the delivery benchmark, and what feeds the bridge: MQTT.js as it comes, QoS 2, its store in
 * memory. With `arrival` an event is complete when it arrives at that broker, not when its own has taken it.
 */
import { readFileSync } from 'node:fs';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { ClosedLoop, type Load, tell } from './closed-loop.ts';

const TOPIC = 'fp/v1/pump-42/up/event/sale';

interface Input extends Load {
  /** The broker at which events are counted. */
  readonly arrival?: { readonly url: string; readonly tls: Load['tls'] };
}

async function open(url: string, tls: Load['tls'], clientId: string): Promise<MqttClient> {
  const options: IClientOptions = { clientId, protocolVersion: 5, clean: true, reconnectPeriod: 0 };
  if (tls !== undefined) {
    options.ca = readFileSync(tls.ca);
    options.cert = readFileSync(tls.cert);
    options.key = readFileSync(tls.key);
  }
  const client = await connectAsync(url, options);
  client.on('error', (error) => fail(error.message));
  client.on('close', () => fail(`${url} closed`));
  return client;
}

function fail(why: string): void {
  console.error(why);
  process.exit(1);
}

const load = JSON.parse(process.argv[2] ?? '{}') as Input;
const payload = Buffer.alloc(load.bytes, 0x2e);
const client = await open(load.url, load.tls, 'pump-42');
const loop = new ClosedLoop(load);
let sent = 0;
let complete = 0;

function fill(): void {
  while (sent - complete < load.window) {
    sent += 1;
    client.publish(TOPIC, payload, { qos: 2 }, (error) => {
      if (error) fail(error.message);
      if (load.arrival === undefined) count();
    });
  }
}

function count(): void {
  complete += 1;
  loop.completed(complete);
  fill();
}

if (load.arrival !== undefined) {
  const consumer = await open(load.arrival.url, load.arrival.tls, 'collector');
  await consumer.subscribeAsync(TOPIC, { qos: 0 });
  consumer.on('message', count);
}
fill();
tell({ ...(await loop.outcome), eventBytes: load.bytes });
