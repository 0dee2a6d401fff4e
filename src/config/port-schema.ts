/**
 * `sensors[].port`: a serial line in serialport's own words (`path`, `baudRate`, `dataBits`, `parity`, `stopBits`), or a
 * raw TCP serial server. Parsed, it is the PortSpec of the ports.
 */
import * as v from 'valibot';
import type { PortSpec } from '../ports-line.ts';
import { choice, path, section, wholeNumber } from './elements.ts';

const TCP_EXPECTED = 'host:port';
const TCP_PATTERN = /^([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})$/;
const PORT_EXPECTED = 'an object with either path (a serial line) or tcp (host:port of a raw serial server)';

const tcp = v.pipe(
  v.string(TCP_EXPECTED),
  v.regex(TCP_PATTERN, TCP_EXPECTED),
  v.check((value) => tcpPort(value) >= 1 && tcpPort(value) <= 65_535, TCP_EXPECTED),
  v.description('host:port of a raw TCP serial server such as ser2net; IPv6 addresses in brackets.'),
);

/** Of a tty, where nothing else is said. */
export const PORT_DEFAULTS = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const;

const keys = section('The line: either path, or tcp.', {
  path: v.exactOptional(path('The tty, best by its /dev/serial/by-id/ or by-path name, which outlives a replug.')),
  tcp: v.exactOptional(tcp),
  baudRate: v.exactOptional(wholeNumber('Bits per second; default 9600.', 50, 4_000_000)),
  dataBits: v.exactOptional(choice('Default 8.', [5, 6, 7, 8])),
  parity: v.exactOptional(choice('Default none.', ['none', 'even', 'odd'])),
  stopBits: v.exactOptional(choice('Default 1.', [1, 1.5, 2])),
});

export const portSchema = v.pipe(
  keys,
  v.metadata({ oneOf: [{ required: ['path'] }, { required: ['tcp'] }] }),
  v.partialCheck([['path'], ['tcp']], (port) => (port.path === undefined) !== (port.tcp === undefined), PORT_EXPECTED),
  v.partialCheck(
    [['tcp'], ['baudRate'], ['dataBits'], ['parity'], ['stopBits']],
    (port) => port.tcp === undefined || [port.baudRate, port.dataBits, port.parity, port.stopBits].every(isAbsent),
    'tcp alone: the serial server sets baudRate, dataBits, parity and stopBits',
  ),
  v.transform((port): PortSpec => {
    const [, host, number] = TCP_PATTERN.exec(port.tcp ?? '') ?? [];
    if (host !== undefined) return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(number) };
    const { path: at = '', ...set } = port;
    const { baudRate, dataBits, parity, stopBits } = { ...PORT_DEFAULTS, ...set };
    return { kind: 'tty', path: at, baudRate, dataBits, parity, stopBits };
  }),
);

function tcpPort(value: string): number {
  return Number(TCP_PATTERN.exec(value)?.[2]);
}

function isAbsent(value: unknown): boolean {
  return value === undefined;
}
