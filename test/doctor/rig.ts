/**
 * A device as an installer finds it: certificates, a device.json, a meter on a pty, and `fieldpost doctor` as a process that
 * looks at it. The default is a sound one; a test breaks one thing.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type CertificateAuthority, type CertifiedPair, makeAuthority } from '../../src/workbench/certificates.ts';
import { mosquittoAcl } from '../../src/workbench/access-rules.ts';
import { Child } from '../../src/workbench/child.ts';
import type { Mosquitto } from '../../src/workbench/mosquitto.ts';
import type { FindingState } from '../../src/cli/doctor-finding.ts';
import { PROGRAM } from '../cli-serial/rig.ts';
import { startMosquitto } from '../rig/mosquitto.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import type { Profile } from '../scripted-broker/profiles.ts';
import { ScriptedBroker } from '../scripted-broker/broker.ts';
import { ptyFarEnd, type FarEnd } from '../serial-rig.ts';

export const DEADLINE_MS = 60_000;
const ACL = mosquittoAcl({ prefix: 'fp/v1', consumers: ['collector'], operators: ['operator'] });

export type PairFiles = Readonly<Record<'cert' | 'key', string>>;

export interface Check {
  readonly part: string;
  readonly name: string;
  readonly state: FindingState;
  readonly found: string;
  readonly todo?: string;
}

export interface Seen {
  readonly exit: number | null;
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

export interface Device {
  readonly directory: string;
  readonly authority: CertificateAuthority;
  readonly put: (name: string, text: string) => Promise<string>;
  readonly putPair: (name: string, pair: CertifiedPair) => Promise<PairFiles>;
  readonly tls: PairFiles & { readonly ca: string };
  /** Mutual TLS and the shipped access rules. */
  readonly mosquitto: (choice?: {
    readonly server?: CertifiedPair;
    readonly acl?: string;
    readonly lines?: readonly string[];
  }) => Promise<Mosquitto>;
  /** device.json with TLS to this port of loopback; `change` goes over its sections. */
  readonly configure: (port: number, change?: Readonly<Record<string, object>>) => Promise<string>;
}

export async function setDevice(t: TestContext): Promise<Device> {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, 'tls'));
  const authority = await makeAuthority('test authority');
  const put: Device['put'] = async (name, text) => {
    const path = join(directory, 'tls', name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const putPair: Device['putPair'] = async (name, { cert, key }) => ({
    cert: await put(`${name}.pem`, cert),
    key: await put(`${name}.key`, key),
  });
  const ca = await put('ca.pem', authority.ca);
  const tls = { ca, ...(await putPair('device', await authority.issueClient('pump-42'))) };
  return {
    directory,
    authority,
    put,
    putPair,
    tls,
    mosquitto: async ({ server, acl = ACL, lines = [] } = {}) => {
      const pair = await putPair('server', server ?? (await authority.issueServer(['127.0.0.1'])));
      return startMosquitto(t, { tls: { ca, ...pair, acl }, lines });
    },
    configure: async (port, change = {}) => {
      const broker = { urls: [`mqtts://127.0.0.1:${port}`], connectTimeout: '3s', tls, ...change['broker'] };
      const ledger = { dir: join(directory, 'ledger'), ...change['ledger'] };
      const path = join(directory, 'device.json');
      await writeFile(path, JSON.stringify({ device: { id: 'pump-42' }, ...change, broker, ledger }));
      return path;
    },
  };
}

/** A plain scripted broker that answers as this profile, and device.json for it. */
export async function setScripted(
  t: TestContext,
  profile: Profile,
  change: Readonly<Record<string, object>> = {},
): Promise<{ readonly broker: ScriptedBroker; readonly config: string }> {
  const broker = new ScriptedBroker(profile);
  await broker.start();
  t.after(() => broker.stop());
  const directory = await temporaryDirectory(t);
  const config = join(directory, 'device.json');
  const document = {
    device: { id: 'pump-42' },
    ...change,
    broker: { urls: [`mqtt://127.0.0.1:${broker.port}`], ...change['broker'] },
    ledger: { dir: join(directory, 'ledger'), ...change['ledger'] },
  };
  await writeFile(config, JSON.stringify(document));
  return { broker, config };
}

/** A meter on a pty, and the sensor that reads it. */
export async function setMeter(
  t: TestContext,
): Promise<{ readonly far: FarEnd; readonly path: string; readonly sensor: object }> {
  const far = await ptyFarEnd(t);
  const path = far.spec.kind === 'tty' ? far.spec.path : assert.fail('no tty');
  return { far, path, sensor: sensorAt(path) };
}

export function sensorAt(path: string): object {
  return {
    id: 'pump',
    port: { path, baudRate: 9600 },
    framing: { type: 'line', max: 512 },
    decode: { type: 'json' },
    routes: [{ telemetry: { every: '1s', fields: { temp: { from: 't', unit: 'Cel' } } } }],
  };
}

/** Sends this again and again, as a meter does, until the test is over. */
export function keepSaying(t: TestContext, far: FarEnd, text: string | Buffer): void {
  const timer = setInterval(() => void far.send(text).catch(() => undefined), 50);
  t.after(() => clearInterval(timer));
}

export function startDoctor(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = new Child({ command: process.execPath, args: [...PROGRAM, 'doctor', ...args], env });
  t.after(() => child.kill9());
  return child;
}

export async function ended(child: Child): Promise<number | null> {
  const { code } = await until(
    () => child.ended,
    () => `the end of doctor; last: ${child.lastWords()}`,
    DEADLINE_MS,
  );
  return code;
}

export async function doctor(
  t: TestContext,
  config: string,
  env: Readonly<Record<string, string>> = {},
  more: readonly string[] = ['--seconds', '0.5'],
): Promise<Seen> {
  const child = startDoctor(t, ['--config', config, '--json', ...more], env);
  const exit = await ended(child);
  const text = child.outLines.join('\n');
  assert.ok(text.startsWith('{"v":1,'), `${text}\n${child.lastWords()}`);
  return { exit, ...(JSON.parse(text) as Omit<Seen, 'exit'>) };
}

export interface Wanted {
  readonly part: RegExp;
  readonly name: RegExp;
  readonly state: FindingState;
  readonly found: RegExp;
  /** What to do. */
  readonly todo?: RegExp;
}

/** The one check of this part and name says what is wanted. */
export function shows({ checks }: Seen, { part, name, state, found, todo }: Wanted): void {
  const [check, ...others] = checks.filter((each) => part.test(each.part) && name.test(each.name));
  const text = JSON.stringify(checks, undefined, 1);
  assert.ok(check !== undefined && others.length === 0, `one check ${part} ${name} in ${text}`);
  assert.equal(check.state, state, JSON.stringify(check));
  assert.match(check.found, found);
  if (todo === undefined) assert.ok(state === 'ok' || state === 'skipped', 'says what to do');
  else assert.match(check.todo ?? '', todo);
}

/** No other check failed than those of these parts. */
export function failsOnlyIn({ checks }: Seen, part: RegExp): void {
  const strange = checks.filter((check) => check.state === 'failed' && !part.test(check.part));
  assert.deepEqual(strange, []);
}
