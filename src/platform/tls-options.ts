/**
 * How a TLS connection to the broker is asked for: the one place, so that what `fieldpost doctor` tries is what the agent
 * does.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { BrokerAddress } from '../broker-url.ts';
import { revocationLists } from './identity.ts';
import type { LinkCredentials } from './mqtt-link.ts';

export function tlsOptions(
  { host, port, transport }: BrokerAddress,
  { ca, cert, key, crl, serverName, alpn }: LinkCredentials,
): ConnectionOptions {
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  // Inside a WebSocket it is HTTP that a proxy sees.
  const protocols = transport === 'websocket' ? ['http/1.1'] : alpn;
  return {
    host,
    port,
    // The environment variable NODE_TLS_REJECT_UNAUTHORIZED has no effect where this is said.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(name === undefined ? {} : { servername: name }),
    ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(crl === undefined ? {} : { crl: [...revocationLists(crl)] }),
  };
}
