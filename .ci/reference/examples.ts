/**
 * An example of each key of device.json: what the shipped device.json or a profile of config/sensors/ has there, else what
 * stands here, else its default, else the first of its choices or its lowest number.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExampleOf } from './keys.ts';
import type { SchemaNode } from './schema-node.ts';

/** For keys that no shipped file uses. Paths are as in docs/CONFIGURATION.md, with `{type}` behind a section of several shapes. */
const MORE: Readonly<Record<string, unknown>> = {
  'device.groups': ['north'],
  'topics.prefix': 'plant-7/fp/v1',
  'topics.responsePrefix': 'operators/answers',
  'broker.tls.crl': '/etc/fieldpost/tls/crl.pem',
  'broker.tls.serverName': 'broker.example',
  'broker.tls.alpn': ['mqtt'],
  'broker.tls.psk.identity': 'pump-42',
  'broker.tls.psk.keyFile': 'cred:device.psk',
  'broker.username': 'pump-42',
  'broker.passwordFile': '/etc/fieldpost/password',
  'ledger.commitWindow': '100ms',
  'ledger.receipts': true,
  'ledger.sign': true,
  'sensors[].profile': 'dsmr5',
  'sensors[].port.path': '/dev/serial/by-id/usb-FTDI_P1-if00-port0',
  'sensors[].port.tcp': '192.0.2.10:4001',
  'sensors[].framing{gap}.silence': '20ms',
  'sensors[].check{crc}.parameters.poly': '1021',
  'sensors[].decode{csv}.columns': ['t', 'humidity'],
  'sensors[].decode{regex}.pattern': '^T=(?<t>-?[0-9.]+)$',
  'sensors[].init.steps[].wait': '2s',
  'sensors[].init.steps[].baudRate': 9600,
  'sensors[].check{crc}.to': -6,
  'sensors[].init.steps[].expect': 'READY',
  'sensors[].poll.cron': '0 * * * *',
  'sensors[].poll.timezone': 'Europe/Berlin',
  'sensors[].modbus.gap': '5ms',
  'sensors[].modbus.polls[].cron': '*/15 * * * *',
  'sensors[].modbus.polls[].timezone': 'Europe/Berlin',
  'sensors[].routes[].telemetry.onChange': { temp: '0.5' },
  'sensors[].routes[].telemetry.gap': '1s',
  'sensors[].routes[].telemetry.fields.<name>.stepMax': '10',
  'sensors[].routes[].event.fields.<name>.stepMax': '10',
  'sensors[].routes[].event.fields.<name>.min': 0,
  'sensors[].routes[].event.fields.<name>.unitFrom': '1-0:1.8.0.unit',
  'sensors[].routes[].telemetry.fields.<name>.unitFrom': '1-0:1.7.0.unit',
  'sensors[].routes[].event.every': '15m',
  'sensors[].routes[].event.stable.field': 'weight',
  'sensors[].routes[].event.stable.within': '0.002',
  'sensors[].routes[].event.fields.<name>.max': 1000000,
  'sensors[].writes.<name>.write': 'SET {level}\r\n',
  'sensors[].writes.<name>.values.<name>.oneOf': ['ON', 'OFF'],
  'sensors[].writes.<name>.values.<name>.min': 0,
  'sensors[].writes.<name>.values.<name>.max': 100,
  'sensors[].writes.<name>.values.<name>.decimals': 1,
  'sensors[].writes.<name>.expect': 'OK',
  'sensors[].watchdog': '10m',
  'schedule[].cron': '0 3 * * *',
  'schedule[].timezone': 'Europe/Berlin',
  'schedule[].command': 'status.get',
  'schedule[].args': {},
  'schedule[].missed': 'once',
  'schedule[].jitter': '5m',
  'signers.file': '/etc/fieldpost/allowed_signers',
  commands: { 'agent.restart': 'on' },
  'remote.allow': ['/broker/urls', '/broker/keepAlive', '/topics', '/sensors', '/host'],
  'remote.pin': ['/topics/prefix'],
};

/** Reads the shipped files below `root`. */
export function examplesOf(root: string): ExampleOf {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));
  const found = new Map<string, unknown>();
  note(found, '', read('device.json'));
  for (const name of readdirSync(join(root, 'config/sensors')).sort()) {
    const { sensor } = read(`config/sensors/${name}`) as { readonly sensor: unknown };
    note(found, 'sensors[]', sensor);
  }
  return (path, node) => node.examples?.[0] ?? MORE[path] ?? lookUp(found, path) ?? node.default ?? simplest(node);
}

/** Notes every value under its path, the first one that comes. Names that a file chooses are noted as `<name>` too. */
function note(found: Map<string, unknown>, path: string, value: unknown): void {
  if (!found.has(path)) found.set(path, value);
  if (Array.isArray(value)) {
    for (const each of value) note(found, `${path}[]`, each);
  } else if (typeof value === 'object' && value !== null) {
    const { type } = value as { readonly type?: unknown };
    for (const [key, each] of Object.entries(value)) {
      note(found, path === '' ? key : `${path}.${key}`, each);
      note(found, `${path}.<name>`, each);
      if (typeof type === 'string') note(found, `${path}{${type}}.${key}`, each);
    }
  }
}

/** A key right below a section of several shapes must come from its own shape; deeper ones have one meaning. */
function lookUp(found: ReadonlyMap<string, unknown>, path: string): unknown {
  return found.get(path) ?? (/\}\.[^.]+$/.test(path) ? undefined : found.get(path.replaceAll(/\{[^}]*\}/g, '')));
}

function simplest(node: SchemaNode): unknown {
  return node.enum?.[0] ?? node.minimum ?? (node.type === 'boolean' ? true : undefined);
}
