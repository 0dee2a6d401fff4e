/**
 * `fieldpost check`: judges device.json and the files it names, without touching the broker, the ledger or a line. Every
 * problem is told at once; the exit status is the one with which `fieldpost run` would refuse a first start.
 */
import { accessSync, constants } from 'node:fs';
import { parseArgs } from 'node:util';
import { problemText } from '../config/problem.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { Fault, systemCodeOf } from '../fault.ts';
import { readSigners } from '../platform/command-signers.ts';
import { type CertificateFacts, loadIdentity } from '../platform/identity.ts';
import { readPrivateFile } from '../platform/private-files.ts';
import { loadConfig } from './config-file.ts';
import { asConnected, credentialFiles, originOf } from './credentials.ts';
import { EXIT, exitOf } from './exit.ts';
import { serviceBars } from './service-access.ts';

const DAY_MS = 86_400_000;
/** A certificate that ends sooner is worth a word. */
const DAYS_LOW = 30;

interface FileCheck {
  readonly faults: readonly Fault[];
  readonly certificate: CertificateFacts | undefined;
  /** Worth a look, but no reason not to start. */
  readonly warnings: readonly string[];
}

export async function checkCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string', default: 'device.json' }, json: { type: 'boolean', default: false } },
  });
  const { config: file, json } = values;
  const loaded = loadConfig(file);
  if (loaded.kind === 'invalid') {
    if (json) {
      const problems = loaded.problems.map((each) => ({
        code: 'config.invalid',
        message: problemText(file, each),
        ...each,
      }));
      printJson({ ok: false, file, problems, warnings: [] });
    } else process.stderr.write(`${loaded.text}${countText(loaded.problems.length)}\n`);
    return EXIT.config;
  }
  const { config } = loaded;
  const checked = checkFiles(asConnected(config), file);
  const problems = checked.faults.map((fault) => ({ code: fault.code, message: fault.message }));
  if (json) printJson({ ok: problems.length === 0, file, problems, warnings: checked.warnings });
  else printText(file, config, checked);
  // An exposed key is told by its own status even when something else is wrong too: it is the one to act on at once.
  const worst = checked.faults.find((fault) => fault.code === 'key.exposed') ?? checked.faults[0];
  return worst === undefined ? EXIT.done : exitOf(worst);
}

function checkFiles(config: DeviceConfig, configFile: string): FileCheck {
  const faults: Fault[] = [];
  const warnings: string[] = [];
  const { tls, passwordFile } = config.broker;
  const identity = tls === undefined ? undefined : attempt(faults, () => loadIdentity(tls));
  // Loading stops at its first fault: the other files are looked at by themselves then.
  if (tls !== undefined && identity === undefined) {
    attempt(faults, () => tls.key === undefined || readPrivateFile(tls.key, 'private key'));
    attempt(faults, () => tls.cert === undefined || readable(tls.cert, 'certificate'));
    attempt(faults, () => tls.ca === undefined || readable(tls.ca, 'CA certificates'));
  }
  if (passwordFile !== undefined) attempt(faults, () => readPrivateFile(passwordFile, 'password file'));
  const { signers } = config;
  const file = signers === undefined ? undefined : attempt(faults, () => readSigners(signers.file));
  if (signers !== undefined && file !== undefined) {
    warnings.push(...file.mistakes.map((mistake) => `allowed signers ${signers.file} ${mistake}`));
    if (file.signers.length === 0) warnings.push(`allowed signers ${signers.file} names nobody`);
  }
  const certificate = identity?.certificate;
  if (certificate !== undefined) warnings.push(...certificateWarnings(certificate, config));
  const files = [configFile, ...credentialFiles(config), ...(signers === undefined ? [] : [signers.file])];
  warnings.push(...serviceBars(files).map((bar) => `${bar.file}: ${bar.found}: ${bar.todo}`));
  // The service starts without it, and says so until systemd hands it over.
  for (const fault of faults) if (fault.code === 'credential.missing') warnings.push(fault.message);
  const hard = faults.filter(({ code }) => code !== 'credential.missing');
  const once = new Map(hard.map((fault) => [fault.message, fault]));
  return { faults: [...once.values()], certificate, warnings: [...new Set(warnings)] };
}

function attempt<Result>(faults: Fault[], run: () => Result): Result | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    faults.push(error);
    return undefined;
  }
}

function readable(path: string, what: string): void {
  if (path.startsWith('cred:')) return;
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const reason = systemCodeOf(error) === 'ENOENT' ? 'missing' : (systemCodeOf(error) ?? 'unreadable');
    throw new Fault('config.invalid', `${what} ${path}: must be a readable file, got ${reason}`, { cause: error });
  }
}

function certificateWarnings(certificate: CertificateFacts, config: DeviceConfig): readonly string[] {
  const { notBefore, notAfter, commonName } = certificate;
  const device = config.device.id;
  const now = Date.now();
  const clock = `this machine's clock says ${new Date(now).toISOString()}`;
  const days = Math.floor((Date.parse(notAfter) - now) / DAY_MS);
  const warnings: string[] = [];
  if (now < Date.parse(notBefore)) warnings.push(`certificate is not valid before ${notBefore}; ${clock}`);
  if (days < 0) warnings.push(`certificate expired at ${notAfter}; ${clock}`);
  else if (days < DAYS_LOW) warnings.push(`certificate expires in ${days} days, at ${notAfter}`);
  if (commonName !== device) {
    warnings.push(
      `certificate's common name is "${commonName}", device.id is "${device}": brokers that go by the name refuse its topics`,
    );
  }
  const file = config.broker.tls?.cert ?? '';
  return warnings.map((warning) => `${warning} (${file}${originOf(config, file, 'tls.cert')})`);
}

function printText(file: string, config: DeviceConfig, checked: FileCheck): void {
  const { faults, warnings, certificate } = checked;
  for (const fault of faults) process.stderr.write(`${fault.message}\n`);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  if (faults.length > 0) {
    process.stderr.write(`${countText(faults.length)}\n`);
    return;
  }
  const until = certificate === undefined ? 'no client certificate' : `certificate until ${certificate.notAfter}`;
  const sensors = config.sensors.map((sensor) => sensor.id).join(', ');
  process.stdout.write(
    `${file} is sound: device ${config.device.id}, ${config.broker.urls.join(' ')} (MQTT ${config.broker.protocol === 5 ? '5' : '3.1.1'}), ` +
      `${until}, ledger ${config.ledger.dir}, sensors: ${sensors === '' ? 'none' : sensors}\n`,
  );
}

function countText(count: number): string {
  return count === 1 ? '1 problem' : `${count} problems`;
}

function printJson(document: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}
