/** What a connection to the broker proves itself with, read from the files that the configuration names. */
import { dirname, join } from 'node:path';
import { parseBrokerUrl } from '../broker-url.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { probeLink } from '../platform/link-probe.ts';
import { certificateTexts } from '../platform/certificate-texts.ts';
import { loadIdentity } from '../platform/identity.ts';
import { InstalledPairs } from '../platform/installed-pairs.ts';
import type { LinkCredentials } from '../platform/mqtt-link.ts';
import { readPrivateFile } from '../platform/private-files.ts';
import type { CertificateText, FlooredClock, Log } from '../ports.ts';
import type { LinkEnd } from '../ports-broker.ts';

/** Where the agent keeps its small documents. */
export function stateDirectoryOf({ state, ledger }: DeviceConfig): string {
  return state?.dir ?? join(dirname(ledger.dir), 'state');
}

/** Where the certificates lie that came by command. */
function installedDirectoryOf(config: DeviceConfig): string {
  return join(stateDirectoryOf(config), 'tls');
}

/** The certificates that came by command. */
export function installedPairsOf(config: DeviceConfig, log: Log): InstalledPairs {
  const { broker, device } = config;
  const configured = broker.tls?.cert === undefined ? undefined : broker.tls;
  return new InstalledPairs({ directory: installedDirectoryOf(config), device: device.id, configured, log });
}

/** The configuration as connections are made: with what was installed by command in the place of what it names. */
export function withInstalledPair(config: DeviceConfig, pairs: InstalledPairs): DeviceConfig {
  const { tls } = config.broker;
  if (tls === undefined) return config;
  return { ...config, broker: { ...config.broker, tls: { ...tls, ...pairs.filesFor(tls) } } };
}

/** For tools beside the agent. */
export function asConnected(config: DeviceConfig): DeviceConfig {
  const nothing = (): void => undefined;
  const quiet = { error: nothing, warn: nothing, info: nothing, debug: nothing };
  return withInstalledPair(config, installedPairsOf(config, quiet));
}

/** For people who look for a file in device.json; empty: it is there. `connected`: of `asConnected`. */
export function originOf(connected: DeviceConfig, file: string, member: 'tls.cert' | 'tls.key'): string {
  const isInstalled = dirname(file) === installedDirectoryOf(connected);
  return isInstalled ? `, installed by certificate.install in place of ${member}` : '';
}

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

/** Whether the broker at `url` takes that pair; undefined: it does. */
export async function probePair(
  config: DeviceConfig,
  pair: { readonly cert: string; readonly key: string },
  url: string,
  clock: FlooredClock,
): Promise<LinkEnd | undefined> {
  const { broker, device } = config;
  if (broker.tls === undefined || parseBrokerUrl(url)?.isSecure !== true) {
    return { word: 'tls.not-tls', text: `${url} has no TLS to show a certificate in` };
  }
  const credentials = credentialsOf({ ...config, broker: { ...broker, tls: { ...broker.tls, ...pair } } });
  return probeLink({ url, device: device.id, timeoutMs: broker.connectTimeout }, credentials, clock);
}

/** What the certificates of a connection say. */
export function textsOf({ broker }: DeviceConfig): readonly CertificateText[] {
  return broker.tls === undefined ? [] : certificateTexts(broker.tls);
}

/** The files that `credentialsOf` reads. */
export function credentialFiles({ broker: { tls, passwordFile } }: DeviceConfig): readonly string[] {
  const files = [tls?.ca, tls?.cert, tls?.key, tls?.crl, tls?.psk?.keyFile, passwordFile];
  return files.filter((file) => file !== undefined);
}
