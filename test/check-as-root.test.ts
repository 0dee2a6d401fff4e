/**
 * `fieldpost check` and `doctor` as root, on a machine that has the service's user: a mount namespace in which the lists of
 * users and groups are the test's own. A key that is as the package's tmpfiles.d makes it is sound; one that root alone can
 * read is told.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeDevelopmentCertificates } from '../src/workbench/certificates.ts';
import { freePort } from '../src/workbench/mosquitto.ts';
import { temporaryDirectory } from './rig/temp.ts';

const MAIN = resolve(import.meta.dirname, '../src/main.ts');
const SERVICE = 64_001;
const canMount =
  process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/tmp']).status === 0;
const skip = !canMount && 'needs root and mount namespaces';

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Place {
  readonly folder: string;
  readonly config: string;
  readonly key: string;
  readonly run: (...args: readonly string[]) => Said;
}

async function place(t: TestContext, group = `fieldpost:x:${SERVICE}:\n`): Promise<Place> {
  const folder = await temporaryDirectory(t);
  chmodSync(folder, 0o755);
  const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const made = await makeDevelopmentCertificates({ device: 'pump-42', days: 365 });
  writeFileSync(ca, made.ca);
  writeFileSync(cert, made.client.cert);
  writeFileSync(key, made.client.key, { mode: 0o600 });
  const config = join(folder, 'device.json');
  const broker = { urls: [`mqtts://localhost:${await freePort()}`], tls: { ca, cert, key } };
  writeFileSync(config, JSON.stringify({ device: { id: 'pump-42' }, broker, ledger: { dir: join(folder, 'ledger') } }));
  const user = group === '' ? '' : `fieldpost:x:${SERVICE}:${SERVICE}::/:/usr/sbin/nologin\n`;
  const lists = { passwd: `root:x:0:0::/root:/bin/sh\n${user}`, group: `root:x:0:\n${group}` };
  for (const [name, text] of Object.entries(lists)) writeFileSync(join(folder, name), text);
  const steps = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"';
  const program = [process.execPath, '--import', 'tsx', MAIN];
  return {
    folder,
    config,
    key,
    run: (...args) =>
      spawnSync('unshare', ['--mount', 'sh', '-c', steps, folder, ...program, ...args], { encoding: 'utf8' }),
  };
}

test('as root a key of the group of the service is sound, and nothing is told', { skip }, async (t) => {
  const { config, key, run } = await place(t);
  chownSync(key, 0, SERVICE);
  chmodSync(key, 0o640);
  const { status, stderr } = run('check', '--config', config);
  assert.deepEqual([status, stderr], [0, '']);
  const found = run('doctor', '--json', '--config', config).stdout;
  assert.match(found, /"name":"private key","state":"ok"/);
});

test('as root a key of another group is exposed, and so is any group’s where there is no such group', {
  skip,
}, async (t) => {
  const there = await place(t);
  chownSync(there.key, 0, SERVICE + 1);
  chmodSync(there.key, 0o640);
  assert.equal(there.run('check', '--config', there.config).status, 77);
  const none = await place(t, '');
  chownSync(none.key, 0, SERVICE);
  chmodSync(none.key, 0o640);
  const { status, stderr } = none.run('check', '--config', none.config);
  assert.equal(status, 77);
  assert.match(stderr, /open to group 64001, which this process is not in/);
});

test('as root a key that the service could not read is a warning, of check and of doctor', { skip }, async (t) => {
  const { folder, config, key, run } = await place(t);
  const { status, stderr } = run('check', '--config', config);
  const says = 'the service, user fieldpost, can not read it (mode 0600, root:root)';
  assert.equal(status, 0);
  assert.equal(
    stderr,
    `warning: ${key}: ${says}: chgrp fieldpost ${key} && chmod 0640 ${key}; a new one: install -m 0640 -g fieldpost NEW ${key}\n`,
  );
  const found = run('doctor', '--json', '--config', config).stdout;
  assert.ok(found.includes(`"name":"access","state":"warning","found":"${key}: ${says}"`), found);
  assert.match(found, /"name":"key and certificate","state":"ok"/);
  chmodSync(join(folder, 'client.pem'), 0o600);
  chmodSync(config, 0o600);
  const { warnings } = JSON.parse(run('check', '--json', '--config', config).stdout) as { readonly warnings: string[] };
  assert.deepEqual(
    warnings.map((text) => text.split(': ')[0]),
    [config, join(folder, 'client.pem'), key],
  );
});

test('where the service has no user of its own, root is told nothing', { skip }, async (t) => {
  const { config, run } = await place(t, '');
  const { status, stderr } = run('check', '--config', config);
  assert.deepEqual([status, stderr], [0, '']);
});
