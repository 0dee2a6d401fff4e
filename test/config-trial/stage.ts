/**
 * The stage of the configuration trials: four real brokers with mutual TLS (the present one, another sound one, one whose
 * certificate comes from another authority, one that refuses the device's), meters on TCP, and devices as processes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { AgentProcess } from '../../src/workbench/agent-process.ts';
import { type CertifiedPair, makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import { type DeviceLine, openSerialServer } from '../../src/workbench/serial-server.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { Operator } from './operator.ts';

export interface Device {
  readonly id: string;
  readonly config: string;
  readonly directory: string;
  readonly agent: AgentProcess;
  readonly line: DeviceLine;
}

export interface TrialStage {
  readonly home: Mosquitto;
  readonly other: Mosquitto;
  readonly wrongAuthority: Mosquitto;
  readonly refusing: Mosquitto;
  readonly atHome: Operator;
  readonly atOther: Operator;
  readonly devices: readonly Device[];
  readonly close: () => Promise<void>;
}

export const COMMANDS = ['set', 'confirm', 'cancel', 'rollback'].map((name) => `config.${name}`);

export async function setTrialStage(
  directory: string,
  ids: readonly string[],
  program: readonly [string, ...string[]],
): Promise<TrialStage> {
  const names = ['operator', ...ids];
  const ours = await makeDevelopmentCertificates({ device: 'unused', others: names });
  const foreign = await makeDevelopmentCertificates({ device: 'unused' });
  const tls = join(directory, 'tls');
  await mkdir(tls, { recursive: true });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(tls, name), text, { mode: 0o600 });
    return join(tls, name);
  };
  const pair = async (name: string, made: CertifiedPair | undefined): Promise<{ cert: string; key: string }> => ({
    cert: await put(`${name}.pem`, made?.cert ?? ''),
    key: await put(`${name}.key`, made?.key ?? ''),
  });
  const ca = await put('ca.pem', ours.ca);
  const foreignCa = await put('foreign.pem', foreign.ca);
  const server = await pair('server', ours.server);
  const foreignServer = await pair('foreign-server', foreign.server);
  const acl = `${mosquittoAcl({ prefix: 'fp/v1', consumers: [] })}\nuser operator\ntopic readwrite fp/v1/#\n`;
  const broker = (name: string, trusted: string, own: { cert: string; key: string }): Mosquitto =>
    new Mosquitto({ directory: join(directory, name), tls: { ca: trusted, ...own, acl } });
  const brokers = {
    home: broker('home', ca, server),
    other: broker('other', ca, server),
    wrongAuthority: broker('wrong-authority', ca, foreignServer),
    refusing: broker('refusing', foreignCa, server),
  };
  for (const each of Object.values(brokers)) await each.start();
  const [operator, ...pairs] = ours.others;
  const client = {
    ca: Buffer.from(ours.ca),
    cert: Buffer.from(operator?.cert ?? ''),
    key: Buffer.from(operator?.key ?? ''),
  };
  const atHome = await Operator.connect(brokers.home.port, client, 'operator-home');
  const atOther = await Operator.connect(brokers.other.port, client, 'operator-other');
  const devices: Device[] = [];
  for (const [index, id] of ids.entries()) {
    const keys = await pair(id, pairs[index]);
    devices.push(await makeDevice(join(directory, id), id, brokers.home.port, { ca, ...keys }, program));
  }
  return {
    ...brokers,
    atHome,
    atOther,
    devices,
    close: async () => {
      for (const { agent, line } of devices) {
        await agent.kill9();
        await line.close();
      }
      await atHome.close();
      await atOther.close();
      for (const each of Object.values(brokers)) await each.kill();
    },
  };
}

async function makeDevice(
  directory: string,
  id: string,
  brokerPort: number,
  tls: { ca: string; cert: string; key: string },
  program: readonly [string, ...string[]],
): Promise<Device> {
  await mkdir(directory, { recursive: true });
  const line = await openSerialServer({ opened: () => undefined, bytes: () => undefined });
  const config = await writeDeviceFile(join(directory, 'device.json'), {
    device: id,
    brokerPort,
    protocol: 5,
    tls,
    ledgerDirectory: join(directory, 'ledger'),
    line: line.port,
  });
  const document = JSON.parse(await readFile(config, 'utf8')) as { readonly broker: object };
  const managed = {
    ...document,
    broker: { ...document.broker, willDelay: '0s', connectTimeout: '3s' },
    commands: Object.fromEntries(COMMANDS.map((name) => [name, 'on'])),
    remote: { allow: ['/broker/urls', '/broker/keepAlive', '/sensors', '/host', '/log'] },
  };
  await writeFile(config, JSON.stringify(managed, undefined, 2));
  return { id, directory, config, line, agent: new AgentProcess({ program, config }) };
}
