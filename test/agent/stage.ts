/**
 * A stage for tests of the whole agent: a real Mosquitto with mutual TLS and the shipped access rules, a raw TCP serial
 * server as the meter, the built agent as its own process, and mosquitto_sub as the witness.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import type { AgentProcess } from '../../src/workbench/agent-process.ts';
import {
  type CertificateAuthority,
  type CertifiedPair,
  makeDevelopmentCertificates,
} from '../../src/workbench/certificates.ts';
import { Child } from '../../src/workbench/child.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import type { Mosquitto, MosquittoOptions } from '../../src/workbench/mosquitto.ts';
import { type DeviceLine, openSerialServer } from '../../src/workbench/serial-server.ts';
import { agentProcess } from '../rig/agent-process.ts';
import { startMosquitto } from '../rig/mosquitto.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';

export interface Seen {
  readonly topic: string;
  readonly qos: number;
  readonly retained: boolean;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface Stage {
  readonly agent: AgentProcess;
  readonly broker: Mosquitto;
  readonly line: DeviceLine;
  readonly directory: string;
  readonly ledgerDirectory: string;
  readonly config: string;
  /** PEM texts of the consumer, for a client that outlives a broker's restart (mosquitto_sub 2.0.11 does not). */
  /** The one that broker and device trust. */
  readonly authority: CertificateAuthority;
  readonly consumerTls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  /** Options of the mosquitto clients for a connection of the operator's and the consumer's. */
  readonly operatorArgs: readonly string[];
  readonly consumerArgs: readonly string[];
  /** What the meter heard back from the agent. */
  readonly answers: () => string;
  /** What mosquitto_sub has seen so far. */
  readonly seen: () => readonly Seen[];
  /** Sends a line as the meter would, once the agent is on the line. */
  readonly meter: (line: string) => Promise<void>;
}

const DEADLINE_MS = 15_000;
const RULES = { prefix: 'fp/v1', consumers: ['collector'], operators: ['operator'] };

export interface StageOptions {
  /** Where the ledger lies; default: a folder of the stage's own. */
  readonly ledgerDirectory?: string;
  /** Further environment of the agent. */
  readonly env?: Readonly<Record<string, string>>;
  readonly broker?: Pick<MosquittoOptions, 'persistence'>;
}

export async function setStage(t: TestContext, options: StageOptions = {}): Promise<Stage> {
  const directory = await temporaryDirectory(t);
  const files = await writeCertificates(join(directory, 'tls'));
  const broker = await startMosquitto(t, {
    tls: { ca: files.ca, ...files.server, acl: mosquittoAcl(RULES) },
    lines: ['log_type subscribe'],
    ...options.broker,
  });
  let heard = '';
  const line = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      heard += bytes.toString('latin1');
    },
  });
  t.after(() => line.close());
  const witness = await startWitness(t, broker, files);
  const ledgerDirectory = options.ledgerDirectory ?? join(directory, 'ledger');
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: 'pump-42',
    brokerPort: broker.port,
    protocol: 5,
    tls: { ca: files.ca, ...files.device },
    ledgerDirectory,
    line: line.port,
  });
  const agent = agentProcess(t, config, options.env);
  return {
    agent,
    broker,
    line,
    directory,
    ledgerDirectory,
    config,
    authority: files.authority,
    consumerTls: {
      ca: await readFile(files.ca),
      cert: await readFile(files.consumer.cert),
      key: await readFile(files.consumer.key),
    },
    operatorArgs: clientArgs(broker, files, files.operator),
    consumerArgs: clientArgs(broker, files, files.consumer),
    answers: () => heard,
    seen: () => witness.outLines.map(parseSeen),
    meter: async (text) => {
      await until(() => line.write(`${text}\n`), 'the agent on the line', DEADLINE_MS);
    },
  };
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

interface Files {
  readonly authority: CertificateAuthority;
  readonly ca: string;
  readonly server: Pair;
  readonly device: Pair;
  readonly consumer: Pair;
  readonly operator: Pair;
}

async function writeCertificates(directory: string): Promise<Files> {
  await mkdir(directory, { recursive: true });
  const made = await makeDevelopmentCertificates({ device: 'pump-42', others: ['collector', 'operator'] });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const putPair = async (name: string, pair: CertifiedPair | undefined): Promise<Pair> => ({
    cert: await put(`${name}.pem`, pair?.cert ?? ''),
    key: await put(`${name}.key`, pair?.key ?? ''),
  });
  return {
    authority: made.authority,
    ca: await put('ca.pem', made.ca),
    server: await putPair('server', made.server),
    device: await putPair('device', made.client),
    consumer: await putPair('consumer', made.others[0]),
    operator: await putPair('operator', made.others[1]),
  };
}

/** mosquitto_sub, an independent client: what it prints is what anybody would see. */
async function startWitness(t: TestContext, broker: Mosquitto, files: Files): Promise<Child> {
  const format = '{"topic":"%t","qos":%q,"retained":%r,"payload":%p}';
  const child = new Child({
    command: 'stdbuf',
    args: [
      '-oL',
      'mosquitto_sub',
      ...clientArgs(broker, files, files.consumer),
      '-V',
      '5',
      '-q',
      '2',
      '-t',
      'fp/v1/#',
      '-F',
      format,
    ],
  });
  t.after(() => child.kill9());
  await until(() => broker.log.some((said) => said.endsWith('fp/v1/#')), 'the subscription', DEADLINE_MS);
  return child;
}

function clientArgs(broker: Mosquitto, files: Files, pair: Pair): readonly string[] {
  const at = ['-h', '127.0.0.1', '-p', String(broker.port)];
  return [...at, '--cafile', files.ca, '--cert', pair.cert, '--key', pair.key];
}

function parseSeen(line: string): Seen {
  // A topic that is taken back has an empty payload.
  const seen = JSON.parse(line.replace(/"payload":\}$/, '"payload":{}}')) as Omit<Seen, 'retained'> & {
    readonly retained: number;
  };
  return { ...seen, retained: seen.retained === 1 };
}
