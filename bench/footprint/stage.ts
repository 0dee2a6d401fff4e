/**
 * The stage of the footprint benchmark, all on loopback: a real Mosquitto with mutual TLS and the shipped access rules, a
 * meter on a pseudo-terminal that sends a temperature a second, a witness at the broker, and the clock of processor time.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPty } from '../../src/platform/pty.ts';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { makeDevelopmentCertificates } from '../../src/workbench/certificates.ts';
import { writeDeviceFile } from '../../src/workbench/device-file.ts';
import { Mosquitto } from '../../src/workbench/mosquitto.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { CpuClock } from './cpu-clock.ts';
import { Witness } from './witness.ts';

const PREFIX = 'fp/v1';
const DEVICE = 'pump-42';
const CONSUMER = 'collector';

export interface Stage {
  readonly witness: Witness;
  readonly cpu: CpuClock;
  readonly device: string;
  /** `fp/v1/<device>` */
  readonly root: string;
  /** The broker's, on loopback. */
  readonly port: number;
  /** Paths of the device's PEM files. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** The meter's. */
  readonly tty: string;
  /** Makes an empty one. */
  readonly folder: (name: string) => Promise<string>;
  /** Writes the device.json of a device with a ledger of its own. */
  readonly configure: (name: string) => Promise<string>;
}

export async function setStage(directory: string, host: boolean, undo: Undo): Promise<Stage> {
  const { ca, server, client, others } = await makeDevelopmentCertificates({ device: DEVICE, others: [CONSUMER] });
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const caFile = await put('ca.pem', ca);
  const pair = async (
    name: string,
    { cert, key }: typeof client,
  ): Promise<{ ca: string; cert: string; key: string }> => ({
    ca: caFile,
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  const acl = mosquittoAcl({ prefix: PREFIX, consumers: [CONSUMER] });
  const broker = new Mosquitto({
    directory: join(directory, 'broker'),
    tls: { ...(await pair('server', server)), acl },
  });
  undo.add(() => broker.stop());
  await broker.start();
  const deviceTls = await pair('client', client);

  const witness = new Witness({
    port: broker.port,
    tls: { ca, ...(others[0] ?? client) },
    clientId: CONSUMER,
    root: `${PREFIX}/${DEVICE}`,
  });
  undo.add(() => witness.stop());
  await witness.start();
  const cpu = new CpuClock();
  undo.add(() => cpu.close());

  const pty = await openPty();
  undo.add(() => pty.close());
  pty.onBytes(() => undefined);
  let lines = 0;
  const meter = setInterval(() => {
    lines += 1;
    pty.write(`{"k":"t","t":${(20 + (lines % 50) / 10).toFixed(1)}}\n`).catch(() => clearInterval(meter));
  }, 1000);
  undo.add(() => clearInterval(meter));

  const folder = async (name: string): Promise<string> => {
    await mkdir(join(directory, name));
    return join(directory, name);
  };
  const configure = async (name: string): Promise<string> => {
    const home = await folder(name);
    const config = await writeDeviceFile(join(home, 'device.json'), {
      device: DEVICE,
      brokerPort: broker.port,
      protocol: 5,
      tls: deviceTls,
      ledgerDirectory: join(home, 'ledger'),
      line: { path: pty.path },
    });
    if (!host) return config;
    const document = JSON.parse(await readFile(config, 'utf8')) as object;
    const metrics = ['cpu', 'memory', 'disk', 'temperature', 'network'];
    await writeFile(config, JSON.stringify({ ...document, host: { every: '10s', metrics } }));
    return config;
  };
  const device = { device: DEVICE, root: `${PREFIX}/${DEVICE}`, port: broker.port, tls: deviceTls, tty: pty.path };
  return { witness, cpu, ...device, folder, configure };
}
