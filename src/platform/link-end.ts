/**
 * Why a link ended or never came up, from a reason code of the broker or an error of TLS or the network: a stable word and
 * one plain sentence, told apart by the place that people must mend. Judged by codes, never by wording, except for two
 * errors of MQTT.js that have none.
 */
import { reasonOf } from '../fault.ts';
import type { LinkEnd, LinkWord } from '../ports-broker.ts';
import type { ClockQuality, FlooredClock } from '../ports.ts';
import { ENDED_BEFORE_FLOOR } from './floor-check.ts';
import type { CertificateFacts } from './identity.ts';
import type { BadPacket } from './packet-gate.ts';

/** What this side knows of itself when a link fails. */
export interface EndContext {
  /** This device's clock, ISO 8601. */
  readonly now: string;
  /** What it is worth. */
  readonly clock: ClockQuality;
  /** It is this late at least, ISO 8601. */
  readonly floor: string;
  readonly device: string;
  readonly certificate: CertificateFacts | undefined;
  /** A password was sent with CONNECT. */
  readonly password: boolean;
  /** TLS by a pre-shared key. */
  readonly psk: boolean;
  /**
   * How far the connection had come: `tls`, the handshake was under way; `websocket`, one was asked for; `mqtt`, that was
   * done; `up`, CONNACK was there.
   */
  readonly phase: 'tcp' | 'tls' | 'websocket' | 'mqtt' | 'up';
}

/** MQTT 5 reason codes and MQTT 3.1.1 return codes that a broker ends or refuses a connection with. */
const REASONS: Readonly<Record<number, readonly [LinkWord, string]>> = {
  0x00: ['broker.closed', 'normal disconnection'],
  0x01: ['broker.protocol', 'unacceptable protocol version (MQTT 3.1.1)'],
  0x02: ['login.client-identifier', 'client identifier rejected (MQTT 3.1.1)'],
  0x03: ['broker.busy', 'server unavailable (MQTT 3.1.1)'],
  0x04: ['login.password', 'bad user name or password (MQTT 3.1.1)'],
  0x05: ['login.forbidden', 'not authorised (MQTT 3.1.1)'],
  0x80: ['broker.refused', 'unspecified error'],
  0x81: ['broker.protocol', 'malformed packet'],
  0x82: ['broker.protocol', 'protocol error'],
  0x84: ['broker.protocol', 'unsupported protocol version'],
  0x85: ['login.client-identifier', 'client identifier not valid'],
  0x86: ['login.password', 'bad user name or password'],
  0x87: ['login.forbidden', 'not authorised'],
  0x88: ['broker.busy', 'server unavailable'],
  0x89: ['broker.busy', 'server busy'],
  0x8a: ['login.forbidden', 'banned'],
  0x8b: ['broker.stopping', 'server shutting down'],
  0x8c: ['login.forbidden', 'bad authentication method'],
  0x8d: ['broker.closed', 'keep alive timeout: the broker heard nothing from us'],
  0x8e: ['broker.taken-over', 'session taken over: another client uses this client identifier'],
  0x90: ['broker.refused', 'topic name invalid'],
  0x93: ['broker.refused', 'receive maximum exceeded'],
  0x95: ['broker.refused', 'packet too large'],
  0x97: ['broker.busy', 'quota exceeded'],
  0x98: ['broker.refused', 'administrative action'],
  0x99: ['broker.refused', 'payload format invalid'],
  0x9a: ['broker.refused', 'retained messages not supported'],
  0x9b: ['broker.refused', 'QoS not supported'],
  0x9c: ['broker.refused', 'use another server'],
  0x9d: ['broker.refused', 'server moved'],
  0x9f: ['broker.busy', 'connection rate exceeded'],
};

const NOT_AUTHORISED: readonly number[] = [0x05, 0x87];

const SHARED_KEY = 'the broker does not take the pre-shared key of tls.psk, or does not know its identity';

const OTHER_CA = "the broker's certificate is signed by another CA than tls.ca";

/** OpenSSL and Node codes to what they mean for the person who has to mend it. */
const TLS_REASONS: Readonly<Record<string, readonly [LinkWord, string]>> = {
  SELF_SIGNED_CERT_IN_CHAIN: ['tls.other-ca', OTHER_CA],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['tls.other-ca', "the broker's certificate is self-signed and not tls.ca's"],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['tls.other-ca', OTHER_CA],
  UNABLE_TO_GET_ISSUER_CERT: ['tls.other-ca', OTHER_CA],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['tls.other-ca', OTHER_CA],
  CERT_SIGNATURE_FAILURE: ['tls.other-ca', "the broker's certificate is not signed by tls.ca, only by its name"],
  ERR_TLS_CERT_ALTNAME_INVALID: ['tls.wrong-name', "the broker's certificate is for another name"],
  CERT_HAS_EXPIRED: ['tls.expired', "the broker's certificate has expired"],
  [ENDED_BEFORE_FLOOR]: ['tls.expired', "the broker's certificate has expired"],
  CERT_NOT_YET_VALID: ['tls.not-yet-valid', "the broker's certificate is not yet valid: check this device's clock"],
  CERT_REVOKED: ['tls.revoked', "the broker's certificate is revoked by tls.crl"],
  CRL_HAS_EXPIRED: ['tls.no-crl', 'tls.crl is out of date'],
  CRL_NOT_YET_VALID: ['tls.no-crl', "tls.crl is not yet valid: check this device's clock"],
  UNABLE_TO_GET_CRL: ['tls.no-crl', "tls.crl has no list of the broker's CA"],
  CRL_SIGNATURE_FAILURE: ['tls.no-crl', "tls.crl is not signed by the broker's CA"],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: [
    'identity.missing',
    'the broker demands a client certificate (tls.cert, tls.key)',
  ],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: [
    'identity.revoked',
    'the broker says that our client certificate is revoked',
  ],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: [
    'identity.expired',
    'the broker says that our client certificate has expired',
  ],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['identity.unknown-ca', 'the broker does not know the CA of our client certificate'],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: ['identity.rejected', 'the broker rejects our client certificate'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: ['identity.rejected', 'the broker rejects our client certificate'],
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: ['identity.rejected', 'the broker rejects our kind of certificate'],
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: ['identity.rejected', 'the broker denies access to our client certificate'],
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: ['tls.other', 'the broker refuses the handshake'],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: ['tls.version', 'the broker speaks no TLS version from 1.2 on'],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ['tls.version', 'the broker speaks no TLS version from 1.2 on'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['tls.not-tls', 'the broker does not speak TLS on this port'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['tls.not-tls', 'the broker does not speak TLS on this port'],
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: ['tls.no-alpn', 'the broker takes none of the protocols of tls.alpn'],
};

const NETWORK_WORDS: Readonly<Record<string, LinkWord>> = {
  ECONNREFUSED: 'network.refused',
  ENOTFOUND: 'network.name',
  EAI_AGAIN: 'network.name',
  ETIMEDOUT: 'network.timeout',
  ECONNRESET: 'network.lost',
  EPIPE: 'network.lost',
  ECONNABORTED: 'network.lost',
  EPROTO: 'tls.other',
};

/** Words that depend on the time: the clock may be what is wrong. */
const TIMELY: readonly LinkWord[] = ['tls.expired', 'tls.not-yet-valid', 'tls.no-crl'];
/**
 * What OpenSSL says of dates. With Node it goes on after the first fault and keeps the last, and dates come last: behind
 * each of these another CA or a forged signature may hide (seen). So none of them is ever forgiven, whatever the clock.
 */
const OF_DATES: readonly string[] = ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED', 'CRL_NOT_YET_VALID', 'CRL_HAS_EXPIRED'];

export function endOfReasonCode(code: number, context: EndContext): LinkEnd {
  const [word, name] = REASONS[code] ?? ['broker.refused', `reason code 0x${code.toString(16)}`];
  if (!NOT_AUTHORISED.includes(code)) return { word, text: `broker: ${name}`, code };
  const another = ofAnother(context);
  // Mosquitto says "not authorised" where it means the password.
  if (another === '' && context.password && context.phase !== 'up') {
    return { word: 'login.password', text: `broker: ${name}, or the user name or password is wrong`, code };
  }
  return { word, text: `broker: ${name}${another}`, code };
}

/** `reason`: what this side says to the broker in DISCONNECT. */
export function endOfBadPacket(
  packet: BadPacket,
  bytesMax: number,
): { readonly end: LinkEnd; readonly reason: number } {
  if (packet.kind === 'malformed')
    return { end: { word: 'broker.protocol', text: `a malformed packet: ${packet.why}` }, reason: 0x81 };
  const text = `the broker began a packet of ${packet.bytes} bytes, this side takes ${bytesMax} at most`;
  return { end: { word: 'broker.too-large', text }, reason: 0x95 };
}

/** What answered the request for a WebSocket answered with this HTTP status. */
export function endOfUpgrade(status: number): LinkEnd {
  // The proxy in front of the broker does not reach it: that mends itself.
  if (status >= 500)
    return { word: 'network.unreachable', text: `WebSocket: HTTP status ${status}: no broker behind it` };
  return { word: 'websocket.refused', text: `WebSocket: HTTP status ${status}: no WebSocket at this path` };
}

export function endOfError(error: unknown, context: EndContext): LinkEnd {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'number') return endOfReasonCode(code, context);
  const text = textOf(error);
  if (typeof code === 'string') return endOfSystemCode(code, text, context);
  if (/keepalive/i.test(text)) return { word: 'broker.silent', text: 'keep alive timeout: the broker fell silent' };
  if (/connack timeout/i.test(text)) return { word: 'network.timeout', text: 'no CONNACK within the time allowed' };
  return { word: context.phase === 'websocket' ? 'websocket.refused' : 'broker.protocol', text };
}

function endOfSystemCode(code: string, text: string, context: EndContext): LinkEnd {
  // OpenSSL 3.2 renamed "sslv3 alert" to "ssl/tls alert", and Node makes its codes of the wording.
  const known = TLS_REASONS[code.replace('SSL/TLS_ALERT', 'SSLV3_ALERT')];
  if (context.clock === 'unknown' && !context.psk && OF_DATES.includes(code))
    return { word: 'tls.clock', text: clockText(text, context) };
  if (known !== undefined) {
    const [word, sentence] = context.psk ? judgeSharedKey(known) : judgeOwn(known, context);
    const clock = TIMELY.includes(word) ? `; this device's clock says ${context.now}` : '';
    return { word, text: `TLS: ${sentence} (${text})${clock}` };
  }
  if (context.psk && code.startsWith('ERR_SSL')) return { word: 'identity.psk', text: `TLS: ${SHARED_KEY} (${text})` };
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return { word: 'tls.other', text: `TLS: ${text}` };
  if (code.startsWith('WS_ERR')) return { word: 'broker.protocol', text: `WebSocket: ${text}` };
  // Of Node's HTTP parser.
  if (code.startsWith('HPE_')) return { word: 'websocket.refused', text: `the port does not speak HTTP: ${text}` };
  const word = NETWORK_WORDS[code] ?? 'network.unreachable';
  return { word, text: `${text}${word === 'network.lost' ? doubtOf(context) : ''}` };
}

/** Not words of their own: a load balancer without a broker behind it looks the same, and mends itself. */
function doubtOf({ phase }: EndContext): string {
  // Without TLS nothing else comes between TCP and CONNACK.
  if (phase === 'tcp') return '; a port with TLS may look like this';
  if (phase === 'tls') return '; a port without TLS may look like this';
  return phase === 'websocket' ? '; a port without WebSocket may look like this' : '';
}

/**
 * Brokers say of a wrong key or identity whatever their library makes of it, or show a certificate instead. What is no TLS,
 * or has no common version, is told as it is.
 */
function judgeSharedKey(known: readonly [LinkWord, string]): readonly [LinkWord, string] {
  const plain: readonly LinkWord[] = ['tls.not-tls', 'tls.version', 'tls.no-alpn'];
  return plain.includes(known[0]) ? known : ['identity.psk', SHARED_KEY];
}

/** The part of the context that a clock says. */
export function clockWords(clock: FlooredClock): Pick<EndContext, 'now' | 'clock' | 'floor'> {
  return {
    now: new Date(clock.wallMs()).toISOString(),
    clock: clock.quality(),
    floor: new Date(clock.floorMs).toISOString(),
  };
}

function clockText(text: string, { now, floor }: EndContext): string {
  const never = now < floor ? `, and it is ${floor} at least` : ', which can not be true';
  return (
    `TLS: this device's clock says ${now}${never}: it was never set, so the broker's certificate can not be judged ` +
    `(${text}); it is tried again at once when the clock is set`
  );
}

/** OpenSSL says "bad certificate" or "handshake failure" also where our own certificate tells more. */
function judgeOwn(
  [word, sentence]: readonly [LinkWord, string],
  { certificate, now, clock }: EndContext,
): readonly [LinkWord, string] {
  if (certificate === undefined) {
    return word === 'tls.other' || word === 'identity.rejected'
      ? ['identity.missing', `${sentence}: this device shows no client certificate (tls.cert, tls.key)`]
      : [word, sentence];
  }
  if (!word.startsWith('identity.')) return [word, sentence];
  const { notBefore, notAfter } = certificate;
  const dates = `${sentence}: it is valid from ${notBefore} to ${notAfter}, this device's clock says ${now}`;
  if (word === 'identity.expired') return [word, dates];
  const isEarly = clock !== 'unknown' && Date.parse(now) < Date.parse(notBefore);
  if (word === 'identity.rejected' && isEarly) return ['identity.not-yet-valid', dates];
  return [word, sentence];
}

/** A forbidden login is most often a certificate that was put on another device. */
function ofAnother({ certificate, device }: EndContext): string {
  if (certificate === undefined || certificate.commonName === device) return '';
  return `: the certificate is ${JSON.stringify(certificate.commonName)}'s, this device is ${JSON.stringify(device)}`;
}

/** OpenSSL's message names its own source lines; its `reason` says the same. An AggregateError has no words of its own. */
function textOf(error: unknown): string {
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  if (!(error instanceof AggregateError) || error.message !== '') return reasonOf(error);
  return error.errors.map(reasonOf).join(', ');
}
