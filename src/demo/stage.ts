/**
 * The stage of the demo, all on loopback and in one temporary directory: certificates, a broker with mutual TLS, and the
 * link before it that can be cut.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccessRules, mosquittoAcl } from '../workbench/access-rules.ts';
import { type CertifiedPair, makeDevelopmentCertificates } from '../workbench/certificates.ts';
import type { ConsumerTls } from '../workbench/consumer.ts';
import { DemoBroker, type DemoBrokerOptions } from '../workbench/demo-broker.ts';
import { LinkProxy } from '../workbench/link-proxy.ts';
import { Mosquitto } from '../workbench/mosquitto.ts';
import type { Undo } from '../workbench/undo.ts';

export type BrokerKind = 'embedded' | 'mosquitto';

export const PREFIX = 'fp/v1';
export const DEVICE = 'pump-42';
const CONSUMER = 'collector';

/** Paths of PEM files. */
interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Stage {
  readonly brokerPort: number;
  readonly link: LinkProxy;
  /** What this broker speaks: aedes has no MQTT 5. */
  readonly protocol: 4 | 5;
  /** Paths for device.json. */
  readonly deviceTls: TlsFiles;
  readonly consumerTls: ConsumerTls;
  readonly consumer: string;
  /** Ends the broker as SIGKILL does and starts it again on the same port. The embedded one forgets everything. */
  readonly killBroker: () => Promise<void>;
  /** What the broker has to say when nothing arrives. */
  readonly brokerWords: () => string;
}

/** Throws MosquittoMissing where there is none. */
export async function setStage(kind: BrokerKind, directory: string, undo: Undo): Promise<Stage> {
  const certificates = await makeDevelopmentCertificates({ device: DEVICE, others: [CONSUMER] });
  const { ca, server, client, others } = certificates;
  const [consumer] = others;
  if (consumer === undefined) throw new Error('no certificate was made for the consumer');
  const tls = join(directory, 'tls');
  await mkdir(tls, { mode: 0o700 });
  const deviceTls = await writePems(tls, 'client', ca, client);
  const rules: AccessRules = { prefix: PREFIX, consumers: [CONSUMER] };
  const broker =
    kind === 'embedded'
      ? await startEmbedded({ rules, ca, ...server }, undo)
      : await startMosquitto(await writePems(tls, 'server', ca, server), rules, join(directory, 'mosquitto'), undo);
  const link = new LinkProxy({ target: broker.port });
  undo.add(() => link.stop());
  await link.start();
  return {
    brokerPort: broker.port,
    link,
    protocol: kind === 'embedded' ? 4 : 5,
    deviceTls,
    consumerTls: { ca, ...consumer },
    consumer: CONSUMER,
    killBroker: broker.kill,
    brokerWords: broker.words,
  };
}

interface Broker {
  readonly port: number;
  readonly kill: () => Promise<void>;
  readonly words: () => string;
}

async function startEmbedded(options: DemoBrokerOptions, undo: Undo): Promise<Broker> {
  const broker = new DemoBroker(options);
  undo.add(() => broker.stop());
  await broker.start();
  return {
    port: broker.port,
    kill: () => broker.restart(),
    words: () => broker.refusals.slice(-3).join(' | '),
  };
}

async function startMosquitto(tls: TlsFiles, rules: AccessRules, directory: string, undo: Undo): Promise<Broker> {
  const broker = new Mosquitto({ directory, tls: { ...tls, acl: mosquittoAcl(rules) } });
  undo.add(() => broker.stop());
  await broker.start();
  return {
    port: broker.port,
    kill: () => broker.restart('kill'),
    words: () => broker.log.slice(-3).join(' | '),
  };
}

async function writePems(directory: string, name: string, ca: string, pair: CertifiedPair): Promise<TlsFiles> {
  const at = (file: string): string => join(directory, file);
  const files = { ca: at('ca.pem'), cert: at(`${name}.pem`), key: at(`${name}.key`) };
  await writeFile(files.ca, ca);
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key, { mode: 0o600 });
  return files;
}
