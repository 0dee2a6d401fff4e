/**
 * The recipe for a device's first boot in docs/DEPLOYMENT.md, as it is written there: the script with the paths of a tree of
 * the test's own and an authority in the place of the enrolment, and the unit as systemd judges it without being booted.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../rig/temp.ts';
import { ROOT } from './rig.ts';

const AUTHORITY = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
openssl x509 -req -in run/device.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 1 -out run/client.pem 2>/dev/null`;

/** The unit and the script. */
function recipe(): { readonly unit: string; readonly script: string } {
  const page = readFileSync(join(ROOT, 'docs/DEPLOYMENT.md'), 'utf8');
  const found = /^### The first boot.*\n[^]*?```ini\n([^]*?)```\n\n```sh\n([^]*?)```/m.exec(page);
  return { unit: found?.[1] ?? '', script: found?.[2] ?? '' };
}

interface Device {
  readonly at: (path: string) => string;
  /** The script with this in the place of the enrolment; its exit status, and the programs it ran, in order. */
  readonly boot: (enrolment: string) => { readonly status: number | null; readonly trace: string };
}

async function setDevice(t: TestContext): Promise<Device> {
  const tree = await temporaryDirectory(t);
  const at = (path: string): string => join(tree, path);
  for (const folder of ['etc/credstore', 'etc/fieldpost/tls', 'run', 'proc/device-tree'])
    mkdirSync(at(folder), { recursive: true });
  writeFileSync(at('proc/device-tree/serial-number'), '10000000abcdef01\0');
  writeFileSync(at('etc/fieldpost/device.json'), '{ "device": { "id": "pump-42" }, "sensors": [{ "id": "pump" }] }\n');
  const boot: Device['boot'] = (enrolment) => {
    const script = recipe()
      .script.replaceAll(/(?<![\w.])\/(?=(?:etc|run|proc)\/)/g, `${tree}/`)
      .replaceAll(' -g fieldpost', '')
      .replace(/^# \.\.\. your enrolment.*$/m, () => `(cd ${tree}; ${enrolment}\n)`);
    assert.ok(script.includes(enrolment), 'the place of the enrolment');
    const { status, stderr } = spawnSync('sh', ['-x', '-c', script], { encoding: 'utf8' });
    return { status, trace: stderr.replaceAll(`${tree}/`, '/') };
  };
  return { at, boot };
}

test('the first boot makes a key, a certificate of the device’s own name and puts the name into device.json', async (t) => {
  const { at, boot } = await setDevice(t);
  // What a power cut can leave.
  writeFileSync(at('etc/credstore/client.key'), '');
  writeFileSync(at('etc/fieldpost/tls/client.pem'), '');
  const { status, trace } = boot(AUTHORITY);
  assert.equal(status, 0, trace);
  const certificate = new X509Certificate(readFileSync(at('etc/fieldpost/tls/client.pem')));
  assert.equal(certificate.subject, 'CN=pump-abcdef01');
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(at('etc/credstore/client.key')))));
  const modes = ['etc/credstore/client.key', 'etc/fieldpost/tls/client.pem'].map(
    (path) => statSync(at(path)).mode & 0o777,
  );
  assert.deepEqual(modes, [0o600, 0o640]);
  assert.equal(
    readFileSync(at('etc/fieldpost/device.json'), 'utf8'),
    '{ "device": { "id": "pump-abcdef01" }, "sensors": [{ "id": "pump" }] }\n',
  );
  const steps = trace.split('\n').filter((line) => /^\+ (?:sync|mv) /.test(line));
  assert.deepEqual(steps, [
    '+ sync /etc/fieldpost/device.json.new /etc/fieldpost/tls/client.pem.new /etc/credstore/client.key.new',
    '+ mv /etc/fieldpost/device.json.new /etc/fieldpost/device.json',
    '+ mv /etc/fieldpost/tls/client.pem.new /etc/fieldpost/tls/client.pem',
    '+ sync /etc/fieldpost /etc/fieldpost/tls',
    '+ mv /etc/credstore/client.key.new /etc/credstore/client.key',
    '+ sync /etc/credstore',
  ]);
});

test('an enrolment that fails, or that gives no certificate, leaves no key, and the next try begins anew', async (t) => {
  const { at, boot } = await setDevice(t);
  for (const enrolment of ['exit 1', ': > run/client.pem', 'echo "<html>busy</html>" > run/client.pem']) {
    assert.notEqual(boot(enrolment).status, 0, enrolment);
    assert.ok(
      !existsSync(at('etc/credstore/client.key')) && !existsSync(at('etc/fieldpost/tls/client.pem')),
      enrolment,
    );
  }
  assert.equal(boot(AUTHORITY).status, 0);
  assert.ok(existsSync(at('etc/credstore/client.key')));
});

test('a board without a serial number gets no name that others have too', async (t) => {
  const { at, boot } = await setDevice(t);
  writeFileSync(at('proc/device-tree/serial-number'), '');
  assert.notEqual(boot(AUTHORITY).status, 0);
  assert.ok(!existsSync(at('etc/credstore/client.key')));
});

test('systemd has nothing to say against the unit, which tries again and then starts fieldpost', async (t) => {
  const { unit, script } = recipe();
  assert.equal(spawnSync('sh', ['-n'], { input: script }).status, 0);
  for (const line of [
    'ConditionFileNotEmpty=|!/etc/credstore/client.key',
    'Restart=on-failure',
    'ExecStartPost=/usr/bin/systemctl --no-block restart fieldpost.service',
  ]) {
    assert.ok(unit.split('\n').includes(line), line);
  }
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'device-identity.service');
  writeFileSync(path, unit.replaceAll(/=\/usr\/(?:local\/sbin|bin)\/\S+/g, '=/bin/true'));
  const service = readFileSync(join(ROOT, 'systemd/fieldpost.service'), 'utf8');
  writeFileSync(
    join(directory, 'fieldpost.service'),
    service
      .replaceAll('/usr/lib/fieldpost/', `${ROOT}/systemd/lib/`)
      .replaceAll(/^Restart(?:Steps|MaxDelaySec)=.*$/gm, ''),
  );
  const { error, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
  if (error !== undefined) return t.skip('systemd-analyze is not here');
  assert.equal(`${stdout}${stderr}`, '');
});
