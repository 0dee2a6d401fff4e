/**
 * How a TLS connection to the broker is asked for: the one place, so that what `fieldpost doctor` tries is what the agent
 * does.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { BrokerAddress } from '../broker-url.ts';
import { checkIdentityAt } from './floor-check.ts';
import { revocationLists } from './identity.ts';
import type { LinkCredentials } from './mqtt-link.ts';

export interface TlsTerms extends LinkCredentials {
  /** It is this late at least, whatever the wall clock says. Wall milliseconds. */
  readonly floorMs: number;
}

/**
 * RFC 4279 and RFC 8446. Key exchanges with forward secrecy first; none that shows a certificate, which nobody would judge.
 * In TLS 1.3 OpenSSL takes a shared key with suites of SHA-256 only.
 */
const SHARED_KEY_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'DHE-PSK-AES128-GCM-SHA256',
  'DHE-PSK-CHACHA20-POLY1305',
  'PSK-AES256-GCM-SHA384',
  'PSK-AES128-GCM-SHA256',
  'PSK-CHACHA20-POLY1305',
].join(':');

export function tlsOptions({ host, port, transport }: BrokerAddress, credentials: TlsTerms): ConnectionOptions {
  const { ca, cert, key, crl, serverName, alpn, psk, floorMs } = credentials;
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  // Inside a WebSocket it is HTTP that a proxy sees.
  const protocols = transport === 'websocket' ? ['http/1.1'] : alpn;
  return {
    host,
    port,
    // The environment variable NODE_TLS_REJECT_UNAUTHORIZED has no effect where this is said.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: checkIdentityAt(floorMs),
    ...(name === undefined ? {} : { servername: name }),
    ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
    ...(psk === undefined ? {} : sharedKeyOptions(psk)),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(crl === undefined ? {} : { crl: [...revocationLists(crl)] }),
  };
}

/**
 * A broker that does not know the key may show a certificate instead (in TLS 1.3 it may choose to). Then it has proved
 * nothing: no authority is trusted here, also none of those that come with Node.
 */
function sharedKeyOptions({ identity, key }: NonNullable<LinkCredentials['psk']>): ConnectionOptions {
  return {
    ca: [],
    ciphers: SHARED_KEY_CIPHERS,
    pskCallback: () => ({ psk: key, identity }),
    checkServerIdentity: (_host, certificate) =>
      Object.keys(certificate).length === 0 ? undefined : new Error('the broker shows a certificate'),
  };
}
