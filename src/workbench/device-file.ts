/** The device.json of a device on the workbench: one fuel pump, temperatures as telemetry, sales as events (DESIGN 5). */
import { writeFile } from 'node:fs/promises';
import type { DeviceLine } from './serial-server.ts';

export interface DeviceFileOptions {
  readonly device: string;
  /** Port of the broker, or of the link before it, on loopback. */
  readonly brokerPort: number;
  readonly protocol: 4 | 5;
  /** Paths of PEM files; without them the connection is plain. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly ledgerDirectory: string;
  readonly line: DeviceLine['port'];
  /** Nothing leaves the disk before a receipt covers it. Default: false. */
  readonly receipts?: boolean;
  /** Events are signed. Default: false. */
  readonly sign?: boolean;
  /** Further members of `ledger`. */
  readonly ledger?: Readonly<Record<string, unknown>>;
}

/** Writes the file and resolves with its path. */
export async function writeDeviceFile(path: string, options: DeviceFileOptions): Promise<string> {
  await writeFile(path, `${JSON.stringify(deviceDocument(options), undefined, 2)}\n`, { mode: 0o600 });
  return path;
}

function deviceDocument(options: DeviceFileOptions): Readonly<Record<string, unknown>> {
  const { tls, protocol, line, ledgerDirectory, receipts = false, sign = false, ledger = {} } = options;
  const scheme = tls === undefined ? 'mqtt' : 'mqtts';
  const decimal = (from: string, unit: string, scale: string): object => ({ from, unit, scale, as: 'decimal' });
  return {
    device: { id: options.device },
    broker: {
      urls: [`${scheme}://127.0.0.1:${options.brokerPort}`],
      protocol,
      keepAlive: '10s',
      willDelay: '10s',
      ...(tls === undefined ? {} : { tls }),
    },
    ledger: { dir: ledgerDirectory, receipts, sign, ...ledger },
    sensors: [
      {
        id: 'pump',
        port: 'path' in line ? { path: line.path, baudRate: 115_200 } : { tcp: line.tcp },
        framing: { type: 'line', max: 512 },
        decode: { type: 'json' },
        routes: [
          {
            when: { k: 't' },
            telemetry: { every: '1s', fields: { temp: { from: 't', unit: 'Cel', min: -40, max: 85 } } },
          },
          {
            when: { k: 'sale' },
            event: {
              stream: 'sale',
              type: 'delivery',
              dedupe: { epoch: 'boot', seq: 'seq' },
              fields: { volume: decimal('ml', 'l', '0.001'), amount: decimal('cents', 'EUR', '0.01') },
            },
            answer: { write: 'ACK {boot} {seq}\n' },
          },
        ],
      },
    ],
  };
}
