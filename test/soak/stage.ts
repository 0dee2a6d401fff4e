/**
 * The stage of a soak, all on loopback: a real Mosquitto with mutual TLS and the shipped access rules behind a link that
 * can be cut, a fuel pump and a noisy sensor, a consumer that sends receipts, an operator, and the built agent with the
 * flags, the environment and the notification socket that systemd/fieldpost.service gives it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readUnit } from '../../bench/rig/unit.ts';
import { Audit } from '../../src/demo/audit.ts';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { type CertifiedPair, makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import type { Child } from '../../src/workbench/child.ts';
import { Consumer } from '../../src/workbench/consumer.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { LinkProxy } from '../../src/workbench/link-proxy.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import type { Random } from '../../src/workbench/random.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { until } from '../../src/workbench/wait.ts';
import { listenToAgent, NOTIFY_SOCKET } from '../service/rig.ts';
import { type NoisyLine, openNoise, openPump, type PumpLine } from './lines.ts';
import { Operator } from './operator.ts';

const PREFIX = 'fp/v1';
const DEVICE = 'pump-42';
const CONSUMER = 'collector';
const OPERATOR = 'operator';
const RULES = { prefix: PREFIX, consumers: [CONSUMER], operators: [OPERATOR] };
const DEADLINE_MS = 15_000;
/** As the unit's WatchdogSec. */
const WATCHDOG_MS = 60_000;

export interface Stage {
  readonly broker: Mosquitto;
  readonly link: LinkProxy;
  readonly pumpLine: PumpLine;
  readonly noise: NoisyLine;
  readonly consumer: Consumer;
  readonly operator: Operator;
  readonly audit: Audit;
  readonly agent: AgentProcess;
  /** What systemd would hear from the agent. */
  readonly supervisor: Child;
}

/** `flags`: further flags of node, such as those that plant a leak. */
export async function setStage(random: Random, file: string, flags: readonly string[], undo: Undo): Promise<Stage> {
  const directory = await makeTemporaryDirectory('soak');
  undo.add(directory.remove);
  const tls = await writeCertificates(join(directory.path, 'tls'));
  const broker = new Mosquitto({
    directory: join(directory.path, 'broker'),
    tls: { ca: tls.caFile, ...tls.server, acl: mosquittoAcl(RULES) },
  });
  undo.add(() => broker.kill());
  await broker.start();
  const link = new LinkProxy({ target: broker.port, oneWayDelayMs: 2 });
  undo.add(() => link.stop());
  await link.start();
  const pumpLine = await openPump(random, undo);
  const noise = await openNoise(random, undo);
  const audit = new Audit();
  const consumer = new Consumer({
    port: broker.port,
    protocol: 5,
    clientId: CONSUMER,
    root: `${PREFIX}/${DEVICE}`,
    tls: { ca: tls.ca, ...tls.consumer },
    watch: true,
    receipts: true,
    onEvent: (verdict, event) => audit.take(verdict, event),
  });
  undo.add(() => consumer.stop());
  await consumer.start();
  const operator = new Operator(broker.port, `${PREFIX}/${DEVICE}`, { ca: tls.ca, ...tls.operator });
  await operator.start(undo);
  const config = join(directory.path, 'device.json');
  await writeDeviceFile(config, {
    device: DEVICE,
    brokerPort: link.port,
    protocol: 5,
    tls: { ca: tls.caFile, ...tls.device },
    ledgerDirectory: join(directory.path, 'ledger'),
    line: { path: pumpLine.path },
    receipts: true,
    // Small, so that settled events are dropped from the second minute on, as they are in a ledger of years.
    ledger: { maxBytes: '16MiB' },
  });
  await addTo(config, noise.tcp);
  const socket = join(directory.path, 'notify');
  const supervisor = listenToAgent(socket, WATCHDOG_MS);
  undo.add(() => supervisor.kill9());
  await until(() => supervisor.outLines.length > 0, 'the notification socket', DEADLINE_MS);
  const unit = readUnit();
  const environment = [...unit.environment, `NOTIFY_SOCKET=${socket}`, `WATCHDOG_USEC=${WATCHDOG_MS * 1000}`];
  // `env -i` and notify-socket give way by exec: it is one process, with nothing of this shell's environment.
  const program = ['-i', `PATH=${process.env['PATH'] ?? '/usr/bin:/bin'}`, ...environment, NOTIFY_SOCKET];
  const node = [process.execPath, ...unit.flags, ...flags, resolve(file)];
  const agent = new AgentProcess({ program: ['env', ...program, ...node], config });
  undo.add(() => agent.kill9());
  return { broker, link, pumpLine, noise, consumer, operator, audit, agent, supervisor };
}

/** The second sensor, figures of the machine, and the commands that the operator uses. */
async function addTo(config: string, tcp: string): Promise<void> {
  const document = JSON.parse(await readFile(config, 'utf8')) as { readonly sensors: readonly object[] };
  const noise = {
    id: 'noise',
    port: { tcp },
    framing: { type: 'line', max: 256 },
    decode: { type: 'json' },
    routes: [{ when: { k: 'n' }, telemetry: { every: '1s', fields: { count: { from: 'n', unit: '1' } } } }],
  };
  const host = { every: '10s', metrics: ['cpu', 'memory', 'disk', 'network'] };
  const commands = { 'log.level': 'on', 'telemetry.pause': 'on', 'sensor.restart': 'on' };
  await writeFile(config, JSON.stringify({ ...document, sensors: [...document.sensors, noise], host, commands }));
}

interface Certificates {
  readonly ca: string;
  readonly caFile: string;
  /** Files. */
  readonly server: CertifiedPair;
  readonly device: CertifiedPair;
  /** PEM texts. */
  readonly consumer: CertifiedPair;
  readonly operator: CertifiedPair;
}

async function writeCertificates(directory: string): Promise<Certificates> {
  await mkdir(directory);
  const made = await makeDevelopmentCertificates({ device: DEVICE, others: [CONSUMER, OPERATOR] });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const putPair = async (name: string, { cert, key }: CertifiedPair): Promise<CertifiedPair> => ({
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  const [consumer, operator] = made.others;
  if (consumer === undefined || operator === undefined) throw new Error('fewer certificates than were asked for');
  return {
    ca: made.ca,
    caFile: await put('ca.pem', made.ca),
    server: await putPair('server', made.server),
    device: await putPair('client', made.client),
    consumer,
    operator,
  };
}
