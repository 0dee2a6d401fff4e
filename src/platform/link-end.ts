/**
 * Why a link ended or never came up, from a reason code of the broker or an error of TLS or the network, as one plain
 * sentence that tells the faults apart that people must mend in different places.
 */
import { reasonOf } from '../fault.ts';
import type { LinkEnd } from '../ports.ts';

/** MQTT 5 reason codes and MQTT 3.1.1 return codes that a broker ends or refuses a connection with. */
const REASONS: Readonly<Record<number, string>> = {
  0x01: 'unacceptable protocol version (MQTT 3.1.1)',
  0x02: 'client identifier rejected (MQTT 3.1.1)',
  0x03: 'server unavailable (MQTT 3.1.1)',
  0x04: 'bad user name or password (MQTT 3.1.1)',
  0x05: 'not authorised (MQTT 3.1.1)',
  0x80: 'unspecified error',
  0x81: 'malformed packet',
  0x82: 'protocol error',
  0x84: 'unsupported protocol version',
  0x85: 'client identifier not valid',
  0x86: 'bad user name or password',
  0x87: 'not authorised',
  0x88: 'server unavailable',
  0x89: 'server busy',
  0x8a: 'banned',
  0x8b: 'server shutting down',
  0x8d: 'keep alive timeout',
  0x8e: 'session taken over: another client uses this client identifier',
  0x93: 'receive maximum exceeded',
  0x95: 'packet too large',
  0x97: 'quota exceeded',
  0x98: 'administrative action',
  0x9c: 'use another server',
  0x9d: 'server moved',
  0x9f: 'connection rate exceeded',
};

/** OpenSSL and Node codes to what they mean for the person who has to mend it. */
const TLS_REASONS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: "the broker's certificate is signed by another CA than tls.ca",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the broker's certificate is self-signed and not tls.ca's",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the broker's certificate is signed by another CA than tls.ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the broker's certificate is signed by another CA than tls.ca",
  CERT_SIGNATURE_FAILURE: "the broker's certificate is not signed by tls.ca",
  ERR_TLS_CERT_ALTNAME_INVALID: "the broker's certificate is for another name",
  CERT_HAS_EXPIRED: "the broker's certificate has expired",
  CERT_NOT_YET_VALID: "the broker's certificate is not yet valid: check this device's clock",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the broker demands a client certificate (tls.cert, tls.key)',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'the broker says that our client certificate is revoked',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the broker says that our client certificate has expired',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the broker does not know the CA of our client certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the broker rejects our client certificate',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the broker speaks no TLS version from 1.2 on',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the broker does not speak TLS on this port',
};

export function endOfReasonCode(code: number): LinkEnd {
  const name = REASONS[code] ?? `reason code 0x${code.toString(16)}`;
  const kind = code === 0x8e ? 'taken-over' : code === 0x8b || code === 0 ? 'closed' : 'refused';
  return { kind, text: `broker: ${name}`, code };
}

export function endOfError(error: unknown): LinkEnd {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'number') return { ...endOfReasonCode(code), kind: code === 0x8e ? 'taken-over' : 'refused' };
  const text = reasonOf(error);
  if (typeof code === 'string') {
    const known = TLS_REASONS[code];
    if (known !== undefined) return { kind: 'refused', text: `TLS: ${known} (${text})` };
    if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return { kind: 'refused', text: `TLS: ${text}` };
    return { kind: 'unreachable', text };
  }
  if (/keepalive/i.test(text)) return { kind: 'silent', text: 'keep alive timeout: the broker fell silent' };
  if (/connack timeout/i.test(text)) return { kind: 'unreachable', text: 'no CONNACK within the time allowed' };
  return { kind: 'protocol-error', text };
}
