/**
 * The stage of the command benchmark, all on loopback: a real Mosquitto with mutual TLS and the shipped access rules, the
 * built agent as systemd/fieldpost.service starts it, an operator, a consumer of the events, a meter that never stops
 * selling, and a line of noise.
 */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { MqttClient } from 'mqtt';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { type CertifiedPair, makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { Child } from '../../src/workbench/child.ts';
import { Consumer } from '../../src/workbench/consumer.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { readUnit } from '../rig/unit.ts';

const DEVICE = 'pump-42';
const ROOT = `fp/v1/${DEVICE}`;
const DEADLINE_MS = 20_000;
/** Of noise a second, in pieces of a hundredth. */
const NOISE_BYTES_A_SECOND = 1_000_000;
/** Sales that the meter has written and that are not accepted yet: enough that the window is always full. */
const WRITTEN_MAX = 64;
export const WINDOW = 16;

export interface Stage {
  /** Asks, and resolves with the milliseconds until the final answer. */
  readonly ask: (command: string, id: string) => Promise<number>;
  readonly load: (isOn: boolean) => void;
  readonly seen: () => { readonly events: number; readonly noiseBytes: number };
}

export async function setStage(directory: string, undo: Undo): Promise<Stage> {
  const made = await makeDevelopmentCertificates({ device: DEVICE, others: ['collector', 'operator'] });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const ca = await put('ca.pem', made.ca);
  const files = async (name: string, pair: CertifiedPair): Promise<{ ca: string; cert: string; key: string }> => ({
    ca,
    cert: await put(`${name}.pem`, pair.cert),
    key: await put(`${name}.key`, pair.key),
  });
  const [collector, operator] = made.others as readonly [CertifiedPair, CertifiedPair];
  const acl = mosquittoAcl({ prefix: 'fp/v1', consumers: ['collector'], operators: ['operator'] });
  const tls = { ...(await files('server', made.server)), acl };
  const broker = new Mosquitto({ directory: join(directory, 'broker'), tls });
  undo.add(() => broker.stop());
  await broker.start();
  const consumer = new Consumer({
    port: broker.port,
    protocol: 5,
    clientId: 'collector',
    root: ROOT,
    tls: { ca: made.ca, ...collector },
  });
  undo.add(() => consumer.stop());
  await consumer.start();
  const load = await startLoad(undo);
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: DEVICE,
    brokerPort: broker.port,
    protocol: 5,
    tls: await files('device', made.client),
    ledgerDirectory: join(directory, 'ledger'),
    line: load.meter,
  });
  await addNoise(config, load.noise);
  const ask = await startOperator(broker.port, { ca: made.ca, ...operator }, undo);
  const { environment, flags } = readUnit();
  const program = join(import.meta.dirname, '../../dist/fieldpost.mjs');
  const path = `PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`;
  const agent = new Child({
    command: 'env',
    args: ['-i', path, ...environment, process.execPath, ...flags, program, 'run', '--config', config],
  });
  undo.add(() => agent.kill9());
  await until(
    () => agent.lines.some((line) => line.includes('broker connected')),
    () => agent.lastWords(),
    DEADLINE_MS,
  );
  return {
    ask,
    load: load.set,
    seen: () => ({ events: consumer.deliveries.figures.events, noiseBytes: load.noiseBytes() }),
  };
}

async function addNoise(config: string, port: object): Promise<void> {
  const document = JSON.parse(await readFile(config, 'utf8')) as Record<string, unknown>;
  const { broker, sensors } = document as { broker: object; sensors: readonly object[] };
  const field = { fields: { x: { from: 'x' } } };
  const noise = {
    id: 'noise',
    port,
    framing: { type: 'line', max: 512 },
    decode: { type: 'json' },
    routes: [{ when: { k: 'never' }, telemetry: field }],
  };
  await writeFile(
    config,
    JSON.stringify({
      ...document,
      broker: { ...broker, window: WINDOW },
      sensors: [...sensors, noise],
      commands: { 'telemetry.resume': 'on' },
    }),
  );
}

interface Load {
  readonly meter: { readonly path: string } | { readonly tcp: string };
  readonly noise: { readonly path: string } | { readonly tcp: string };
  readonly set: (isOn: boolean) => void;
  readonly noiseBytes: () => number;
}

async function startLoad(undo: Undo): Promise<Load> {
  let isOn = false;
  let sold = 0;
  let answered = 0;
  let noiseBytes = 0;
  const sell = (): void => {
    while (isOn && sold - answered < WRITTEN_MAX) {
      if (!meter.write(`{"k":"sale","boot":"b","seq":${sold + 1},"ml":1000,"cents":150}\n`)) return;
      sold += 1;
    }
  };
  const meter = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      answered += bytes.toString('latin1').split('\n').length - 1;
      sell();
    },
  });
  undo.add(() => meter.close());
  const noise = await openSerialServer({ opened: () => undefined, bytes: () => undefined });
  undo.add(() => noise.close());
  const piece = randomBytes(NOISE_BYTES_A_SECOND / 100).toString('latin1');
  const beat = setInterval(() => {
    sell();
    if (isOn && noise.write(piece)) noiseBytes += piece.length;
  }, 10);
  undo.add(() => clearInterval(beat));
  return {
    meter: meter.port,
    noise: noise.port,
    set: (on) => {
      isOn = on;
    },
    noiseBytes: () => noiseBytes,
  };
}

async function startOperator(
  port: number,
  tls: { readonly ca: string; readonly cert: string; readonly key: string },
  undo: Undo,
): Promise<Stage['ask']> {
  const client = new MqttClient(() => connectTls({ port, host: '127.0.0.1', ...tls }), {
    protocolVersion: 5,
    clientId: 'operator',
    manualConnect: true,
    reconnectPeriod: 0,
  });
  undo.add(() => client.endAsync(true));
  const waiting = new Map<string, (status: string) => void>();
  client.on('message', (topic, payload) => {
    const { status } = JSON.parse(payload.toString('utf8')) as { readonly status: string };
    if (status !== 'accepted' && status !== 'executing') waiting.get(topic.split('/').at(-1) ?? '')?.(status);
  });
  const up = new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('error', reject);
  });
  client.connect();
  await up;
  await client.subscribeAsync(`${ROOT}/up/response/#`, { qos: 1 });
  return async (command, id) => {
    const startedMs = performance.now();
    const answer = new Promise<string>((resolve) => waiting.set(id, resolve));
    const late = new Promise<string>((resolve) => {
      setTimeout(() => resolve('no answer'), DEADLINE_MS).unref();
    });
    client.publish(`${ROOT}/down/command/${command}/${id}`, '', { qos: 1 });
    const status = await Promise.race([answer, late]);
    const ms = performance.now() - startedMs;
    waiting.delete(id);
    if (status !== 'succeeded') throw new Error(`${command}: ${status}`);
    return ms;
  };
}
