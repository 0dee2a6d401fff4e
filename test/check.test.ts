/** `fieldpost check` and the dispatcher, as processes: what they print where, and the exit status. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { InstalledPairs } from '../src/platform/installed-pairs.ts';
import { makeAuthority, makeDevelopmentCertificates } from '../src/workbench/certificates.ts';
import { NO_LOG } from './state/count.ts';

const ROOT = resolve(import.meta.dirname, '..');

interface Said {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function fieldpost(...args: readonly string[]): Said {
  const done = spawnSync(process.execPath, ['--import', 'tsx', join(ROOT, 'src/main.ts'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

interface Place {
  readonly folder: string;
  readonly config: string;
  readonly key: string;
  /** Writes device.json with these changes to `broker`. */
  write(broker?: object): void;
}

async function place(t: TestContext, days = 365, device = 'pump-42'): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldpost-check-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { ca, client } = await makeDevelopmentCertificates({ device, days });
  const [caFile, cert, key] = [join(folder, 'ca.pem'), join(folder, 'client.pem'), join(folder, 'client.key')];
  writeFileSync(caFile, ca);
  writeFileSync(cert, client.cert);
  writeFileSync(key, client.key, { mode: 0o600 });
  const config = join(folder, 'device.json');
  const write = (broker: object = {}): void => {
    const document = {
      device: { id: 'pump-42' },
      broker: { urls: ['mqtts://localhost:8883'], tls: { ca: caFile, cert, key }, ...broker },
      ledger: { dir: join(folder, 'ledger') },
    };
    writeFileSync(config, JSON.stringify(document));
  };
  write();
  return { folder, config, key, write };
}

/** A device that was pump-41 when a certificate came by command. */
async function placeInstalled(
  t: TestContext,
): Promise<Place & { readonly configured: string; readonly installed: string }> {
  const at = await place(t);
  const configured = join(at.folder, 'client.pem');
  const files = { ca: join(at.folder, 'ca.pem'), cert: configured, key: at.key };
  const directory = join(at.folder, 'state/tls');
  const pairs = new InstalledPairs({ directory, device: 'pump-41', configured: files, log: NO_LOG });
  const authority = await makeAuthority('another authority');
  const pair = pairs.stage(await authority.issueFor(pairs.request().csr));
  pairs.promote(pair, 'i1');
  return { ...at, configured, installed: pair.files.cert };
}

test('who may sign is judged: lines that can not be read are warnings, a file for all to write is a problem', async (t) => {
  const here = await place(t);
  const { folder, config } = here;
  const file = join(folder, 'allowed_signers');
  here.write();
  const document = JSON.parse(readFileSync(config, 'utf8')) as object;
  writeFileSync(config, JSON.stringify({ ...document, commands: { 'agent.restart': 'signed' }, signers: { file } }));
  assert.match(fieldpost('check', '--config', config).err, /allowed signers .*must be a readable file, got ENOENT/);
  writeFileSync(file, '# nobody yet\nops@example.org ssh-rsa AAAA\n', { mode: 0o644 });
  const warned = fieldpost('check', '--config', config);
  assert.deepEqual([warned.status, /line 2: must have a key of ssh-ed25519/.test(warned.err)], [0, true], warned.err);
  assert.match(warned.err, /names nobody/);
  chmodSync(file, 0o666);
  const wrong = fieldpost('check', '--config', config);
  assert.deepEqual([wrong.status, /writable by its owner alone/.test(wrong.err)], [78, true], wrong.err);
});

test('a sound configuration: a summary on stdout and exit status 0', async (t) => {
  const { config } = await place(t);
  const { status, out, err } = fieldpost('check', '--config', config);
  assert.equal(status, 0, err);
  assert.match(out, /is sound: device pump-42, mqtts:\/\/localhost:8883 \(MQTT 5\), certificate until \d{4}-/);
  assert.equal(err, '');
});

test('every problem on stderr, nothing on stdout, exit status 78', async (t) => {
  const at = await place(t);
  at.write({ keepAlive: '0s', windw: 3 });
  const { status, out, err } = fieldpost('check', '--config', at.config);
  assert.equal(status, 78);
  assert.equal(out, '');
  assert.deepEqual(err.trimEnd().split('\n').slice(0, 1), [
    `${at.config} /broker/keepAlive: must be 5s to 1h, got "0s"`,
  ]);
  assert.match(err, /\/broker\/windw: must be a known key .*; did you mean `window`\?\n2 problems\n$/);
});

test('--json is one document on stdout, with pointers and codes', async (t) => {
  const at = await place(t);
  at.write({ keepAlive: '0s' });
  const { status, out, err } = fieldpost('check', '--json', '--config', at.config);
  assert.equal(status, 78);
  assert.equal(err, '');
  assert.deepEqual(JSON.parse(out), {
    ok: false,
    file: at.config,
    problems: [
      {
        code: 'config.invalid',
        message: `${at.config} /broker/keepAlive: must be 5s to 1h, got "0s"`,
        pointer: '/broker/keepAlive',
        found: '"0s"',
        expected: '5s to 1h',
      },
    ],
    warnings: [],
  });
});

test('a key that everybody may read: exit status 77, and the key is not shown', async (t) => {
  const { config, key } = await place(t);
  chmodSync(key, 0o644);
  const { status, out, err } = fieldpost('check', '--config', config);
  assert.equal(status, 77);
  assert.ok(err.includes(key) && err.includes('0644'), err);
  assert.ok(!`${out}${err}`.includes('BEGIN'));
});

test('an exposed key is told by its status even where other files are missing', async (t) => {
  const { folder, config, key } = await place(t);
  chmodSync(key, 0o644);
  rmSync(join(folder, 'ca.pem'));
  rmSync(join(folder, 'client.pem'));
  const { status, err } = fieldpost('check', '--config', config);
  assert.equal(status, 77);
  assert.match(err, /ca\.pem: must be a readable file, got missing/);
  assert.match(err, /client\.pem: must be a readable file, got missing/);
  assert.match(err, /3 problems/);
});

test('a missing password file is told, and one that everybody may read is exposed', async (t) => {
  const at = await place(t);
  const passwordFile = join(at.folder, 'password');
  at.write({ username: 'u', passwordFile });
  assert.equal(fieldpost('check', '--config', at.config).status, 78);
  writeFileSync(passwordFile, 'secret\n', { mode: 0o644 });
  const { status, err } = fieldpost('check', '--config', at.config);
  assert.equal(status, 77);
  assert.ok(!err.includes('secret'));
});

test('a certificate that ends soon or names another device is a warning, not a problem', async (t) => {
  const { config } = await place(t, 5, 'pump-43');
  const { status, err } = fieldpost('check', '--config', config);
  assert.equal(status, 0);
  assert.match(err, /warning: certificate expires in 4 days/);
  assert.match(err, /warning: certificate's common name is "pump-43", device\.id is "pump-42"/);
});

test('a warning about a certificate names its file, and says where it came by command', async (t) => {
  const { folder, config, configured, installed } = await placeInstalled(t);
  const right = fieldpost('check', '--config', config);
  assert.deepEqual([right.status, right.err], [0, ''], 'the configured one names this device, and counts');
  rmSync(configured);
  const { status, err } = fieldpost('check', '--config', config);
  assert.equal(status, 0);
  const where = `${installed}, installed by certificate.install in place of tls.cert`;
  assert.match(err, /^warning: certificate's common name is "pump-41", device\.id is "pump-42"/);
  assert.ok(err.endsWith(`refuse its topics (${where})\n`), err);
  const found = fieldpost('doctor', '--config', config, '--no-mqtt', '--json').out;
  const { checks } = JSON.parse(found) as { checks: Readonly<Record<string, string>>[] };
  const said = (name: string): string => checks.find((check) => check['name'] === name)?.['found'] ?? '';
  assert.equal(said('certificate'), where);
  assert.match(said('private key'), new RegExp(`^${folder}/state/tls/.*, installed by .* in place of tls\\.key$`));
  assert.ok(said('common name').startsWith(`the certificate (${where}) is for "pump-41"`), said('common name'));
});

test('a configuration that is not there: exit status 78', () => {
  const { status, err } = fieldpost('check', '--config', '/nonexistent/device.json');
  assert.equal(status, 78);
  assert.match(err, /^\/nonexistent\/device\.json: must be a readable file, got no such file\n/);
});

test('a command line that is wrong: exit status 64 and how it is used', () => {
  const unknown = fieldpost('chek');
  assert.equal(unknown.status, 64);
  assert.match(unknown.err, /got "chek"; did you mean `check`\?\nusage: fieldpost <command>/);
  assert.equal(fieldpost().status, 64);
  const option = fieldpost('check', '--bogus');
  assert.equal(option.status, 64);
  assert.match(option.err, /--bogus[^]*usage: fieldpost check/);
  assert.equal(fieldpost('check', '--config').status, 64);
  assert.equal(fieldpost('certs').status, 64);
});

test('help and version go to stdout with exit status 0', () => {
  assert.match(fieldpost('--version').out, /^fieldpost \S+\n$/);
  const help = fieldpost('--help');
  assert.equal(help.status, 0);
  for (const command of ['run', 'check', 'ledger', 'certs', 'demo'])
    assert.match(help.out, new RegExp(`^  ${command} `, 'm'));
  assert.match(fieldpost('check', '--help').out, /^usage: fieldpost check \[--config device\.json\]/);
});
