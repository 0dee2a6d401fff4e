/**
 * The stage of the delivery benchmark, all on loopback: one Mosquitto a transport, without persistence and without a bound
 * of what is in flight, certificates, and the five clients that are measured against it.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { DEVICE, type TlsFiles } from '../rig/product.ts';
import { readUnit } from '../rig/unit.ts';
import { bundle, PLAIN, runProgram, runWorker } from '../rig/worker.ts';
import type { Load, Outcome } from './closed-loop.ts';

const DEADLINE_MS = 60_000;
const ACL = 'pattern readwrite #\n';
/** 0: no bound; brokers and bridges then take whatever window the client keeps. */
const UNBOUNDED = ['max_inflight_messages 0'];

export type Transport = 'tcp' | 'tls';
export type Work = Pick<Load, 'window' | 'bytes' | 'warmUp' | 'warmUpSeconds' | 'events' | 'seconds'>;

export interface Client {
  readonly name: string;
  readonly run: (transport: Transport, work: Work) => Promise<Outcome>;
}

export interface Stage {
  readonly clients: readonly Client[];
  /** Why rows are left out. */
  readonly without: string | undefined;
}

interface Broker {
  readonly url: string;
  readonly tls: TlsFiles | undefined;
}

export async function setStage(
  directory: string,
  transports: readonly Transport[],
  dedupe: boolean,
  undo: Undo,
): Promise<Stage> {
  const files = await certificateFiles(directory);
  const brokers = new Map<Transport, Broker>();
  for (const transport of transports) {
    const secure = transport === 'tls';
    const broker = new Mosquitto({
      directory: join(directory, `broker-${transport}`),
      persistence: false,
      lines: UNBOUNDED,
      ...(secure ? { tls: { ...files.server, acl: ACL } } : {}),
    });
    undo.add(() => broker.stop());
    await broker.start();
    const url = `${secure ? 'mqtts' : 'mqtt'}://127.0.0.1:${broker.port}`;
    brokers.set(transport, { url, tls: secure ? files.client : undefined });
  }
  const brokerOf = (transport: Transport): Broker => {
    const broker = brokers.get(transport);
    if (broker === undefined) throw new Error(`no broker over ${transport}`);
    return broker;
  };
  const programs = {
    fieldpost: await bundle(join(import.meta.dirname, 'fieldpost-client.ts'), directory, 'fieldpost-client'),
    mqttjs: await bundle(join(import.meta.dirname, 'mqttjs-client.ts'), directory, 'mqttjs-client'),
    paho: compilePaho(directory),
  };
  let count = 0;
  const freshDirectory = async (name: string): Promise<string> => {
    count += 1;
    const path = join(directory, `${name}-${count}`);
    await mkdir(path);
    return path;
  };
  const clients: Client[] = [
    {
      name: 'fieldpost',
      run: async (transport, work) => {
        const input = { ...brokerOf(transport), ...work, dedupe, directory: await freshDirectory('ledger') };
        return runWorker({ file: programs.fieldpost, input, start: readUnit(), deadlineMs: DEADLINE_MS, undo });
      },
    },
    {
      name: 'MQTT.js, memory',
      run: async (transport, work) => {
        const input = { ...brokerOf(transport), ...work };
        return runWorker({ file: programs.mqttjs, input, start: PLAIN, deadlineMs: DEADLINE_MS, undo });
      },
    },
    {
      name: 'Mosquitto bridge',
      run: async (transport, work) => {
        const folder = await freshDirectory('bridge');
        return runBridge({ folder, worker: programs.mqttjs, remote: brokerOf(transport), work, undo });
      },
    },
  ];
  const { paho } = programs;
  if ('fault' in paho) return { clients, without: `Paho C: ${paho.fault}` };
  const pahoClient = (name: string, persistent: boolean): Client => ({
    name,
    run: async (transport, work) => {
      const { url, tls } = brokerOf(transport);
      const store = persistent ? await freshDirectory('paho') : '-';
      const { window, bytes, warmUp, warmUpSeconds, events, seconds } = work;
      const numbers = [window, bytes, warmUp, warmUpSeconds, events, seconds].map(String);
      const identity = tls === undefined ? [] : [tls.ca, tls.cert, tls.key];
      const address = url.replace('mqtts:', 'ssl:').replace('mqtt:', 'tcp:');
      return runProgram<Outcome>(paho.file, [address, ...numbers, store, ...identity], DEADLINE_MS, undo);
    },
  });
  clients.splice(2, 0, pahoClient('Paho C, memory', false), pahoClient('Paho C, files', true));
  return { clients, without: undefined };
}

async function certificateFiles(directory: string): Promise<{ server: TlsFiles; client: TlsFiles }> {
  const { ca, server, client } = await makeDevelopmentCertificates({ device: DEVICE });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const caFile = await put('ca.pem', ca);
  const pair = async (name: string, { cert, key }: typeof client): Promise<TlsFiles> => ({
    ca: caFile,
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  return { server: await pair('server', server), client: await pair('client', client) };
}

function compilePaho(directory: string): { readonly file: string } | { readonly fault: string } {
  const file = join(directory, 'paho');
  const source = join(import.meta.dirname, 'paho.c');
  const args = ['-O2', '-o', file, source, '-lpaho-mqtt3as', '-lpthread'];
  const done = spawnSync('gcc', args, { encoding: 'utf8' });
  if (done.error !== undefined) return { fault: `gcc: ${done.error.message}` };
  return done.status === 0 ? { file } : { fault: `gcc: ${done.stderr.split('\n')[0] ?? ''}` };
}

/**
 * A second Mosquitto that stores and forwards, saved as config/mosquitto/ has it. Events go in by a local client and are
 * complete when they arrive at the first broker; processor time and memory are the second broker's alone.
 */
async function runBridge(options: {
  readonly folder: string;
  readonly worker: string;
  readonly remote: Broker;
  readonly work: Work;
  readonly undo: Undo;
}): Promise<Outcome> {
  const { folder, worker, remote, work, undo } = options;
  const { tls } = remote;
  const secured = tls === undefined ? [] : [`bridge_cafile ${tls.ca}`, `bridge_certfile ${tls.cert}`];
  const bridge = new Mosquitto({
    directory: folder,
    lines: [
      ...UNBOUNDED,
      'connection up',
      `address ${new URL(remote.url).host}`,
      // Over MQTT 5 it would say the receive maximum 0 of the line above, which is a protocol error.
      'bridge_protocol_version mqttv311',
      'topic # out 2',
      'cleansession false',
      'notifications false',
      'remote_clientid bridge',
      ...secured,
      ...(tls === undefined ? [] : [`bridge_keyfile ${tls.key}`]),
    ],
  });
  undo.add(() => bridge.kill());
  await bridge.start();
  try {
    const { pid } = bridge;
    if (pid === undefined) throw new Error('the bridge did not start');
    const input = { url: `mqtt://127.0.0.1:${bridge.port}`, ...work, watched: pid, arrival: remote };
    return await runWorker<Outcome>({ file: worker, input, start: PLAIN, deadlineMs: DEADLINE_MS, undo });
  } finally {
    await bridge.kill();
  }
}
