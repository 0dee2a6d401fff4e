/** What a connection to the broker proves itself with, read from the files that the configuration names. */
import type { DeviceConfig } from '../config/schema.ts';
import { loadIdentity } from '../platform/identity.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import { readPrivateFile } from '../platform/private-files.ts';

/** Throws what is wrong with a file. Files are read at each connection, so renewed ones count without a restart. */
export function credentialsOf({ broker, device }: DeviceConfig): LinkCredentials {
  const { tls, username, passwordFile } = broker;
  const identity = tls === undefined ? undefined : loadIdentity(tls);
  const password = passwordFile === undefined ? undefined : readPrivateFile(passwordFile, 'password file');
  const key = identity?.sharedKey;
  return {
    ca: identity?.ca,
    cert: identity?.cert,
    key: identity?.key,
    crl: identity?.crl,
    serverName: tls?.serverName,
    alpn: tls?.alpn,
    psk: key === undefined ? undefined : { identity: tls?.psk?.identity ?? device.id, key },
    certificate: identity?.certificate,
    username,
    password: password?.toString('utf8').trimEnd(),
  };
}
