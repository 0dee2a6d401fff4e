/**
 * The way to one broker, step by step before MQTT: its name, TCP, TLS. Each step says what it saw, and where one fails the
 * next ones are skipped, so that the first failure is the one to mend. The words are those of the agent's own connection.
 */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { type BrokerAddress, parseBrokerUrl } from '../broker-url.ts';
import { Fault, reasonOf } from '../fault.ts';
import { systemClock } from '../platform/clock.ts';
import { clockWords, type EndContext, endOfError } from '../platform/link-end.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import type { LinkEnd, LinkWord } from '../ports-broker.ts';
import { tlsOptions } from '../platform/tls-options.ts';
import { SET_IT } from './doctor-clock.ts';
import { failed, type Finding, ok, skipped, warning, within } from './doctor-finding.ts';

const DAY_MS = 86_400_000;
const DAYS_LOW = 30;
const ADDRESSES_SHOWN = 8;
const CHECK_NETWORK = 'check the network and that the broker is up';
/** What a port of another kind than the URL says looks like, where its reason is not plain. */
const OF_OTHER_PORTS: readonly LinkWord[] = ['network.lost', 'network.timeout', 'broker.closed', 'broker.protocol'];

export interface NetworkLook {
  readonly url: string;
  readonly device: string;
  /** A text: why there are none. */
  readonly credentials: LinkCredentials | string;
  /** For each step, milliseconds. */
  readonly timeoutMs: number;
  readonly nowMs: number;
}

export interface NetworkFindings {
  readonly findings: readonly Finding[];
  /** MQTT can be tried. */
  readonly isUp: boolean;
}

export async function networkFindings(look: NetworkLook): Promise<NetworkFindings> {
  const address = parseBrokerUrl(look.url);
  if (address === undefined) throw new Fault('config.invalid', `${look.url}: no URL of a broker`);
  const { host, port, isSecure } = address;
  const name = await nameFinding(host, look.timeoutMs);
  if (name.state === 'failed') return stopped([name], isSecure ? ['TCP', 'TLS'] : ['TCP']);
  const tcp = await tcpFinding(host, port, look);
  if (tcp.state === 'failed') return stopped([name, tcp], isSecure ? ['TLS'] : []);
  if (!isSecure)
    return {
      findings: [name, tcp, skipped('TLS', `${address.transport === 'tcp' ? 'mqtt' : 'ws'}:// is plain`)],
      isUp: true,
    };
  const { credentials } = look;
  if (typeof credentials === 'string') return { findings: [name, tcp, skipped('TLS', credentials)], isUp: false };
  const tls = await tlsFindings(address, credentials, look);
  return { findings: [name, tcp, ...tls], isUp: tls.every(({ state }) => state !== 'failed') };
}

function stopped(findings: readonly Finding[], left: readonly string[]): NetworkFindings {
  const why = `${findings.at(-1)?.name ?? ''} failed`;
  return { findings: [...findings, ...left.map((step) => skipped(step, why))], isUp: false };
}

async function nameFinding(host: string, timeoutMs: number): Promise<Finding> {
  const step = 'name';
  if (isIP(host) !== 0) return ok(step, `${host} is an address`);
  try {
    const found = await within(lookup(host, { all: true }), timeoutMs, `looking up ${host}`);
    const addresses = found.slice(0, ADDRESSES_SHOWN).map(({ address }) => address);
    return ok(step, `${host} is ${addresses.join(', ')}`);
  } catch (error) {
    return failed(
      step,
      `${host} does not resolve: ${reasonOf(error)}`,
      'check broker.urls and DNS (resolvectl status)',
    );
  }
}

async function tcpFinding(host: string, port: number, look: NetworkLook): Promise<Finding> {
  const socket = connectTcp({ host, port });
  const startedMs = performance.now();
  try {
    await within(arrival(socket, 'connect'), look.timeoutMs, 'connecting');
    const ms = Math.round(performance.now() - startedMs);
    return ok('TCP', `port ${port} at ${socket.remoteAddress ?? host} in ${ms} ms`);
  } catch (error) {
    const { word, text } = endOfError(error, contextOf(undefined, look, 'tcp'));
    return failed('TCP', `${word}: ${text}`, 'is the broker up, is the port right, does a firewall let it through?');
  } finally {
    socket.destroy();
  }
}

async function tlsFindings(
  address: BrokerAddress,
  credentials: LinkCredentials,
  look: NetworkLook,
): Promise<readonly Finding[]> {
  let socket: TLSSocket | undefined;
  try {
    socket = connectTls(tlsOptions(address, { ...credentials, floorMs: systemClock.floorMs }));
    await within(arrival(socket, 'secureConnect'), look.timeoutMs, 'the TLS handshake');
    const cipher = socket.getCipher().name;
    const { alpnProtocol } = socket;
    const agreed = typeof alpnProtocol === 'string' && alpnProtocol !== '' ? `, ALPN ${alpnProtocol}` : '';
    const spoken = ok('TLS', `${socket.getProtocol() ?? 'unknown version'}, ${cipher}${agreed}`);
    if (credentials.psk !== undefined) return [spoken];
    return [spoken, ...brokerCertificateFindings(socket.getPeerCertificate(), look.nowMs)];
  } catch (error) {
    const end = endOfError(error, contextOf(credentials, look, 'tls'));
    return [failed('TLS', `${end.word}: ${end.text}`, todoOf(end, address, 'TLS'))];
  } finally {
    socket?.destroy();
  }
}

function brokerCertificateFindings(certificate: PeerCertificate, nowMs: number): readonly Finding[] {
  const names = certificate.subjectaltname ?? `CN=${oneOf(certificate.subject.CN)}`;
  const days = Math.floor((Date.parse(certificate.valid_to) - nowMs) / DAY_MS);
  const left = `${days} days left, until ${certificate.valid_to}`;
  return [
    ok("broker's certificate", `for ${names}, from ${oneOf(certificate.issuer.CN ?? certificate.issuer.O)}`),
    days < DAYS_LOW
      ? warning("broker's dates", left, 'tell whoever runs the broker to renew its certificate')
      : ok("broker's dates", left),
  ];
}

/** A name may be given several times. */
function oneOf(name: string | readonly string[] | undefined): string {
  return typeof name === 'string' ? name : (name?.join(', ') ?? 'unknown');
}

/** What to do about a failed link, by the place that has to be mended. `step`: what failed; what is before it went well. */
export function todoOf(end: LinkEnd, address: BrokerAddress | undefined, step: 'TLS' | 'CONNECT'): string {
  const { word } = end;
  const [kind] = word.split('.');
  const otherPort = otherPortText(end, address, step);
  if (otherPort !== undefined) return otherPort;
  if (word === 'tls.other-ca') return "put the certificate of the broker's authority into the file of tls.ca";
  if (word === 'tls.wrong-name')
    return "use a name of the broker's certificate in broker.urls, or have it issued for this one";
  if (word === 'tls.clock') return SET_IT;
  if (word === 'tls.expired' || word === 'tls.not-yet-valid')
    return "renew the broker's certificate, or set this clock";
  if (word === 'tls.no-alpn') return 'correct broker.tls.alpn, or leave it out';
  if (word === 'websocket.refused') return "correct port and path of broker.urls: the broker's WebSocket is not there";
  if (word === 'tls.not-tls') return 'use the TLS port of the broker in broker.urls (usually 8883)';
  if (word === 'identity.psk') return 'give this device and the broker the same key under the same identity';
  if (word === 'identity.missing')
    return 'set broker.tls.cert and broker.tls.key, from an authority that the broker knows';
  if (kind === 'identity') return "renew this device's certificate and key, from an authority that the broker knows";
  if (word === 'login.password') return 'correct broker.username and the password file';
  if (word === 'login.client-identifier' || word === 'login.forbidden') {
    return 'let this certificate, and the client identifiers <device> and <device>-doctor, in at the broker';
  }
  if (kind === 'network') return CHECK_NETWORK;
  return `docs/OPERATIONS.md says what ${word} means`;
}

/** A port that breaks off without a word, or answers no MQTT, is most often one of another kind. Undefined: nothing says so. */
function otherPortText(
  { word, code }: LinkEnd,
  address: BrokerAddress | undefined,
  step: 'TLS' | 'CONNECT',
): string | undefined {
  if (address === undefined || !OF_OTHER_PORTS.includes(word) || code !== undefined) return undefined;
  const { transport, isSecure } = address;
  if (step === 'TLS') return `is it the TLS port of the broker (usually 8883)? If so, ${CHECK_NETWORK}`;
  if (transport === 'websocket') {
    const scheme = isSecure ? 'mqtts' : 'mqtt';
    return `is it the WebSocket port of the broker? One of MQTT alone needs ${scheme}:// in broker.urls; else ${CHECK_NETWORK}`;
  }
  return isSecure ? undefined : `the port may speak TLS: mqtts:// in broker.urls; else ${CHECK_NETWORK}`;
}

function contextOf(
  credentials: LinkCredentials | undefined,
  { device }: NetworkLook,
  phase: EndContext['phase'],
): EndContext {
  const { certificate, password, psk } = credentials ?? {};
  const clock = clockWords(systemClock);
  return { ...clock, device, certificate, password: password !== undefined, psk: psk !== undefined, phase };
}

function arrival(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    // Stays, so that a later error harms nobody.
    socket.on('error', reject);
  });
}
