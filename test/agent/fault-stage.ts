/**
 * A stage for the ways a connection fails: certificates as a test wants them, a real Mosquitto or another peer, a meter,
 * and the built agent. `showsFault` is what every such fault has to show: one line with its word, the same word in
 * status.json, no storm of attempts, and a sale that is accepted all the same.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { LinkWord } from '../../src/ports-broker.ts';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import type { AgentProcess } from '../../src/workbench/agent-process.ts';
import { type CertificateAuthority, type CertifiedPair, makeAuthority } from '../../src/workbench/certificates.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import type { Mosquitto, MosquittoTls } from '../../src/workbench/mosquitto.ts';
import { openSerialServer } from '../../src/workbench/serial-server.ts';
import { agentProcess } from '../rig/agent-process.ts';
import { startMosquitto } from '../rig/mosquitto.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';

export const DEADLINE_MS = 30_000;
/** An observation that has to be waited out: a storm would show in it, the slow pace makes at most one attempt. */
export const WATCH_MS = 3000;
/** The normal pace makes 2 or 3 in its first seconds, by chance one more; a storm makes hundreds. */
const ATTEMPTS_MAX = 8;
const SLOW_ATTEMPTS_MAX = 2;

export type PairFiles = Readonly<Record<'cert' | 'key', string>>;

/** The `broker` section of device.json. */
export type BrokerKeys = Readonly<Record<string, unknown>> & { readonly tls?: Readonly<Record<string, unknown>> };

export interface FaultStage {
  readonly authority: CertificateAuthority;
  readonly directory: string;
  /** Path of the authority's certificate. */
  readonly ca: string;
  /** The device's own sound certificate. */
  readonly device: PairFiles;
  readonly put: (name: string, text: string) => Promise<string>;
  readonly putPair: (name: string, pair: CertifiedPair) => Promise<PairFiles>;
  /** A broker with mutual TLS; by default with a certificate that is as it should be. */
  readonly mosquitto: (options?: MosquittoChoice) => Promise<Mosquitto>;
  /** The agent, not yet started, with `broker` of device.json changed as given. */
  readonly agent: (
    port: number,
    change?: (broker: BrokerKeys) => BrokerKeys,
    env?: Readonly<Record<string, string>>,
  ) => Promise<Agent>;
}

export interface MosquittoChoice {
  readonly server?: CertifiedPair;
  readonly lines?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** No TLS, and whatever `lines` say. */
  readonly plain?: boolean;
}

export interface Agent {
  readonly process: AgentProcess;
  /** status.json as it is now; undefined: not yet written. */
  readonly status: () => Promise<LocalStatus | undefined>;
  /** One sale on the line; resolves when it is answered. */
  readonly sell: (seq: number) => Promise<void>;
}

interface LocalStatus {
  readonly connected: boolean;
  readonly connection: {
    readonly failures: number;
    readonly last_end?: { readonly word: string; readonly text: string };
  };
  readonly ledger: { readonly unsent: number };
  readonly degraded: readonly string[];
}

export async function setFaultStage(t: TestContext): Promise<FaultStage> {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, 'tls'));
  const authority = await makeAuthority('test authority');
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(directory, 'tls', name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const putPair = async (name: string, { cert, key }: CertifiedPair): Promise<PairFiles> => ({
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  const ca = await put('ca.pem', authority.ca);
  const device = await putPair('device', await authority.issueClient('pump-42'));
  const mosquitto: FaultStage['mosquitto'] = async ({ server, lines = [], env = {}, plain = false } = {}) => {
    const tls: MosquittoTls = {
      ca,
      ...(await putPair('server', server ?? (await authority.issueServer(['127.0.0.1'])))),
      acl: mosquittoAcl({ prefix: 'fp/v1', consumers: ['collector'] }),
    };
    return startMosquitto(t, { ...(plain ? {} : { tls }), lines, env });
  };
  return {
    authority,
    directory,
    ca,
    device,
    put,
    putPair,
    mosquitto,
    agent: (port, change, env) => setAgent(t, { directory, tls: { ca, ...device } }, port, change, env),
  };
}

async function setAgent(
  t: TestContext,
  { directory, tls }: { readonly directory: string; readonly tls: PairFiles & { readonly ca: string } },
  port: number,
  change: (broker: BrokerKeys) => BrokerKeys = (broker) => broker,
  env: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  let heard = '';
  const line = await openSerialServer({
    opened: () => undefined,
    bytes: (bytes) => {
      heard += bytes.toString('latin1');
    },
  });
  t.after(() => line.close());
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: 'pump-42',
    brokerPort: port,
    protocol: 5,
    tls,
    ledgerDirectory: join(directory, 'ledger'),
    line: line.port,
  });
  const document = JSON.parse(await readFile(config, 'utf8')) as { readonly broker: BrokerKeys };
  const changed = { ...document, broker: change(document.broker), log: { level: 'debug' } };
  await writeFile(config, JSON.stringify(changed));
  const status = join(directory, 'status');
  return {
    process: agentProcess(t, config, { ...env, RUNTIME_DIRECTORY: status }),
    status: async () => {
      const text = await readFile(join(status, 'status.json'), 'utf8').catch(() => undefined);
      return text === undefined ? undefined : (JSON.parse(text) as LocalStatus);
    },
    sell: async (seq) => {
      const sale = `{"k":"sale","boot":"a1","seq":${seq},"ml":1,"cents":1}\n`;
      await until(() => line.write(sale), 'the agent on the line', DEADLINE_MS);
      await until(() => heard.includes(`ACK a1 ${seq}\n`), 'the answer', DEADLINE_MS);
    },
  };
}

export function withTls(tls: BrokerKeys['tls']): (broker: BrokerKeys) => BrokerKeys {
  return (broker) => ({ ...broker, tls: { ...broker.tls, ...tls } });
}

export function withoutTls(broker: BrokerKeys): BrokerKeys {
  return Object.fromEntries(Object.entries(broker).filter(([key]) => key !== 'tls'));
}

/** Connections that this broker has seen. */
export function connectionsTo(broker: Mosquitto): number {
  return broker.log.filter((line) => line.includes('New connection from')).length;
}

export interface Expected {
  readonly word: LinkWord;
  readonly says: RegExp;
  /** Connections that the peer has seen. Where there is no peer, the agent's own log tells them. */
  readonly attempts?: () => number;
}

/** Starts the agent and checks that the fault shows as it has to. Resolves with its one warning. */
export async function showsFault(agent: Agent, { word, says, attempts }: Expected): Promise<string> {
  const count = attempts ?? ((): number => agent.process.child.lines.filter(isFailure).length);
  const before = attempts?.() ?? 0;
  agent.process.start();
  const told = await agent.process.child.line(/ word=/, DEADLINE_MS);
  assert.match(told, new RegExp(`^warn: broker not connected word=${word.replace('.', '\\.')} `));
  assert.match(told, says);
  await agent.sell(1);
  const status = await endShown(agent, word);
  assert.match(status.connection.last_end?.text ?? '', says);
  await pause(WATCH_MS);
  const seen = count() - before;
  // What a person has to mend is tried again after 5 to 10 s at the earliest.
  const most = /^(?:tls|identity|login)\./.test(word) ? SLOW_ATTEMPTS_MAX : ATTEMPTS_MAX;
  assert.ok(seen >= 1 && seen <= most, `${seen} attempts within ${WATCH_MS} ms`);
  const lines = agent.process.child.lines.filter((line) => / word=/.test(line) && !line.startsWith('debug:'));
  assert.deepEqual(lines, [told]);
  assert.equal(agent.process.running, true);
  return told;
}

/** status.json, once it says that there is no connection, and why; it is written once a second at most. */
export async function endShown(agent: Agent, word: LinkWord): Promise<LocalStatus> {
  return until(
    async () => {
      const seen = await agent.status();
      return seen?.connected === false && seen.connection.last_end?.word === word ? seen : undefined;
    },
    `${word} in status.json`,
    DEADLINE_MS,
  );
}

function isFailure(line: string): boolean {
  return / word=/.test(line);
}
