/**
 * How a TLS connection to the broker is asked for: the one place, so that what `fieldpost doctor` tries is what the agent
 * does.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { revocationLists } from './identity.ts';
import type { LinkCredentials } from './mqtt-link.ts';

export function tlsOptions(host: string, port: number, { ca, cert, key, crl }: LinkCredentials): ConnectionOptions {
  return {
    host,
    port,
    // The environment variable NODE_TLS_REJECT_UNAUTHORIZED has no effect where this is said.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(crl === undefined ? {} : { crl: [...revocationLists(crl)] }),
  };
}
