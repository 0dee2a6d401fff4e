/**
 * The first part of `fieldpost doctor`: device.json, and the files that it names. Each file is looked at by itself, so that
 * a missing authority does not hide a key that others can read.
 */
import { problemText } from '../config/problem.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { Fault, reasonOf } from '../fault.ts';
import { type CertificateFacts, loadIdentity } from '../platform/identity.ts';
import { readPrivateFile } from '../platform/private-files.ts';
import type { LoadedConfig } from './config-file.ts';
import { credentialFiles, originOf } from './credentials.ts';
import { failed, type Finding, ok, skipped, warning } from './doctor-finding.ts';
import { serviceBars } from './service-access.ts';

const DAY_MS = 86_400_000;
/** As `fieldpost check` has it: time enough to renew a certificate before the status is degraded. */
const DAYS_LOW = 30;
const PROBLEMS_SHOWN = 50;

export function invalidConfigFindings(
  file: string,
  { problems }: Extract<LoadedConfig, { kind: 'invalid' }>,
): readonly Finding[] {
  return problems
    .slice(0, PROBLEMS_SHOWN)
    .map((problem) =>
      failed(problem.pointer === '' ? 'file' : problem.pointer, problemText(file, problem), `correct ${file}`),
    );
}

export function configFindings(file: string, config: DeviceConfig, nowMs: number): readonly Finding[] {
  const { device, broker, sensors } = config;
  const names = sensors.map(({ id }) => id).join(', ');
  const sound = ok('file', `${file} is sound: device ${device.id}, sensors ${names === '' ? 'none' : names}`);
  const { passwordFile } = broker;
  const password = passwordFile === undefined ? [] : [privateFinding('password file', passwordFile)];
  const access = serviceBars(credentialFiles(config)).map((bar) =>
    warning('access', `${bar.file}: ${bar.found}`, bar.todo),
  );
  return [sound, ...tlsFindings(config, nowMs), ...password, ...access];
}

function tlsFindings(config: DeviceConfig, nowMs: number): readonly Finding[] {
  const { tls, allowPlain } = config.broker;
  if (tls === undefined) {
    if (!allowPlain) return [ok('TLS', 'off; the broker is on this machine')];
    const found = 'off: everybody on the way can read and forge everything';
    return [warning('TLS', found, 'set broker.tls and mqtts:// URLs, remove broker.allowPlain')];
  }
  const { psk } = tls;
  if (psk !== undefined) return [fileFinding('pre-shared key', psk.keyFile, () => void loadIdentity({ psk }))];
  return certificateFileFindings(tls, config, nowMs);
}

function certificateFileFindings(
  { ca = '', cert, key, crl }: NonNullable<DeviceConfig['broker']['tls']>,
  config: DeviceConfig,
  nowMs: number,
): readonly Finding[] {
  const findings: Finding[] = [
    fileFinding('authority', ca, () => void loadIdentity({ ca })),
    ...(crl === undefined ? [] : [fileFinding('revocation list', crl, () => void loadIdentity({ ca, crl }))]),
  ];
  if (cert === undefined || key === undefined) return findings;
  findings.push(privateFinding('private key', key, originOf(config, key, 'tls.key')));
  // A certificate is an authority by its form, so its own file stands in for one that may be broken.
  const origin = originOf(config, cert, 'tls.cert');
  const own = fileFinding('certificate', cert, () => void loadIdentity({ ca: cert }), origin);
  if (own.state !== 'ok' || findings.at(-1)?.state !== 'ok') {
    return [...findings, own, skipped('key and certificate', 'one of them can not be used')];
  }
  try {
    const { certificate } = loadIdentity({ ca: cert, cert, key });
    findings.push(own, ok('key and certificate', 'belong together'));
    if (certificate !== undefined)
      findings.push(...certificateFindings(certificate, { file: `${cert}${origin}`, device: config.device.id, nowMs }));
  } catch (error) {
    findings.push(
      own,
      failed('key and certificate', reasonOf(error), `put the key that ${cert} was issued for at ${key}`),
    );
  }
  return findings;
}

/** Pure. */
export function certificateFindings(
  { notBefore, notAfter, commonName }: CertificateFacts,
  { file, device, nowMs }: { readonly file: string; readonly device: string; readonly nowMs: number },
): readonly Finding[] {
  const now = new Date(nowMs).toISOString();
  const days = Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);
  const renew = 'renew it; the agent takes the new files while it runs';
  const named =
    commonName === device
      ? ok('common name', `${commonName}, as device.id`)
      : warning(
          'common name',
          `the certificate (${file}) is for ${JSON.stringify(commonName)}, device.id is ${JSON.stringify(device)}: brokers that go by the name refuse its topics`,
          'put the certificate and key of this device at tls.cert and tls.key, or correct device.id',
        );
  if (nowMs < Date.parse(notBefore)) {
    const found = `not valid before ${notBefore}; this device's clock says ${now}`;
    return [named, failed('certificate dates', found, 'set the clock')];
  }
  if (days < 0) {
    const found = `expired at ${notAfter}; this device's clock says ${now}`;
    return [named, failed('certificate dates', found, `${renew}; or set the clock, if it is wrong`)];
  }
  const left = `${days} ${days === 1 ? 'day' : 'days'} left, until ${notAfter}`;
  return [named, days < DAYS_LOW ? warning('certificate dates', left, renew) : ok('certificate dates', left)];
}

function privateFinding(name: string, path: string, origin = ''): Finding {
  return fileFinding(name, path, () => void readPrivateFile(path, name), origin);
}

function fileFinding(name: string, path: string, look: () => void, origin = ''): Finding {
  try {
    look();
    return ok(name, `${path}${origin}`);
  } catch (error) {
    const code = error instanceof Fault ? error.code : undefined;
    if (code === 'credential.missing') {
      const todo = 'give it in the unit, and run doctor while the service runs, as its user or as root';
      return warning(name, reasonOf(error), todo);
    }
    const exposed = code === 'key.exposed';
    const todo = exposed
      ? `chmod 600 ${path}, owned by the service's user; others may have read it: have it replaced`
      : `put a sound file at ${path}, readable by the service's user`;
    return failed(name, reasonOf(error), todo);
  }
}
