/** Keys made on the device and the certificates that come back: what is judged, what is kept, and which pair counts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Fault } from '../../src/fault.ts';
import { InstalledPairs } from '../../src/platform/installed-pairs.ts';
import { type CertificateAuthority, makeAuthority } from '../../src/workbench/certificates.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';

const DAY_MS = 86_400_000;

interface Bench {
  readonly authority: CertificateAuthority;
  readonly configured: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly open: (device?: string) => InstalledPairs;
  /** Files in the directory of installed pairs. */
  readonly files: () => readonly string[];
  readonly directory: string;
}

async function bench(t: TestContext): Promise<Bench> {
  const root = await temporaryDirectory(t);
  const directory = join(root, 'tls');
  const authority = await makeAuthority('test CA');
  const { cert, key } = await authority.issueClient('pump-42', {
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
  });
  const put = (name: string, text: string): string => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const configured = { ca: put('ca.pem', authority.ca), cert: put('own.pem', cert), key: put('own.key', key) };
  return {
    authority,
    configured,
    open: (device = 'pump-42') => new InstalledPairs({ directory, device, configured, log: NO_LOG }),
    files: () => readdirSync(directory).sort(),
    directory,
  };
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === 'certificate.invalid', String(error));
    return error.message;
  }
  return assert.fail('it was taken');
}

test('the request is sound for openssl, its key stays in a file that only the service may read', async (t) => {
  const { open, files, directory } = await bench(t);
  const { csr, key } = open().request();
  const said = execFileSync('openssl', ['req', '-verify', '-noout', '-subject', '-text'], {
    input: csr,
    stdio: 'pipe',
  });
  assert.match(said.toString(), /subject=CN = pump-42\n/);
  assert.match(said.toString(), /URI:urn:fieldpost:device:pump-42/);
  assert.match(said.toString(), /prime256v1/);
  assert.deepEqual(files(), [`${key}.key`]);
  assert.equal(statSync(join(directory, `${key}.key`)).mode & 0o777, 0o600);
});

test('names of every form stand in the request as they are', async (t) => {
  const { open } = await bench(t);
  for (const device of ['a', 'x'.repeat(64), 'A.b_c-9']) {
    const { csr } = open(device).request();
    const said = execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], { input: csr, stdio: 'pipe' });
    assert.equal(said.toString().trim(), `subject=CN = ${device}`);
  }
});

test('a pair counts from its promotion on, over restarts, and the one before is kept', async (t) => {
  const { authority, configured, open, files } = await bench(t);
  const pairs = open();
  const pair = pairs.stage(await authority.issueFor(pairs.request().csr));
  assert.deepEqual(pairs.filesFor(configured), configured);
  pairs.try(pair);
  assert.deepEqual(pairs.filesFor(configured), { ca: configured.ca, ...pair.files });
  // The end of the process in the middle of the trial.
  assert.deepEqual(open().filesFor(configured), configured);
  pairs.promote(pair, 'c1');
  assert.deepEqual(pairs.filesFor(configured), { ca: configured.ca, ...pair.files });
  const next = open();
  assert.deepEqual(next.filesFor(configured), { ca: configured.ca, ...pair.files });
  assert.deepEqual(next.installed, { command: 'c1', pair });
  const second = next.stage(await authority.issueFor(next.request().csr));
  next.promote(second, 'c2');
  assert.equal(files().length, 5, 'two pairs and what says which');
  assert.deepEqual(open().installed, { command: 'c2', pair: second });
});

test('the installed certificate with another chain under it is another pair: dropped, the installed one is as it was', async (t) => {
  const { authority, open } = await bench(t);
  const pairs = open();
  const pem = await authority.issueFor(pairs.request().csr);
  const pair = pairs.stage(pem);
  pairs.promote(pair, 'c1');
  const other = pairs.stage(`${pem}${authority.ca}`);
  assert.equal(readFileSync(pair.files.cert, 'utf8'), pem);
  pairs.try(other);
  pairs.drop(other);
  assert.equal(readFileSync(pair.files.cert, 'utf8'), pem);
  assert.equal(existsSync(other.files.cert), false);
});

test('what the disk says is installed is not dropped, whoever installed it', async (t) => {
  const { authority, configured, open } = await bench(t);
  // An agent that was ended in the middle of a trial, and the one after it, which is given the same certificate again.
  const [before, after] = [open(), open()];
  const pem = await authority.issueFor(before.request().csr);
  const pair = before.stage(pem);
  before.try(pair);
  after.promote(after.stage(pem), 'c2');
  before.drop(pair);
  assert.deepEqual(after.filesFor(configured), { ca: configured.ca, ...pair.files });
});

test('requests that are made while a certificate is tried leave it and its key alone', async (t) => {
  const { authority, configured, open, files } = await bench(t);
  const pairs = open();
  const pair = pairs.stage(await authority.issueFor(pairs.request().csr));
  for (let more = 0; more < 3; more += 1) pairs.request();
  pairs.try(pair);
  for (let more = 0; more < 3; more += 1) pairs.request();
  pairs.promote(pair, 'c1');
  assert.deepEqual(open().filesFor(configured), { ca: configured.ca, ...pair.files });
  assert.equal(files().length, 5, 'the pair, what says so, and two keys that wait');
});

test('a certificate that is put there by hand later counts instead of the installed one', async (t) => {
  const { authority, configured, open } = await bench(t);
  const pairs = open();
  const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + DAY_MS) };
  pairs.promote(pairs.stage(await authority.issueFor(pairs.request().csr, validity)), 'c1');
  assert.notDeepEqual(pairs.filesFor(configured), configured);
  const { cert, key } = await authority.issueClient('pump-42');
  writeFileSync(configured.cert, cert);
  writeFileSync(configured.key, key);
  assert.deepEqual(pairs.filesFor(configured), configured);
});

test('a pair that was installed under another device.id does not take the place of the right one', async (t) => {
  const { authority, configured, open } = await bench(t);
  const pairs = open();
  const installed = pairs.stage(await authority.issueFor(pairs.request().csr));
  pairs.promote(installed, 'c1');
  const put = ({ cert, key }: { readonly cert: string; readonly key: string }): void => {
    writeFileSync(configured.cert, cert);
    writeFileSync(configured.key, key);
  };
  // Issued before the installed one, as for a device that was copied from this one.
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  put(await authority.issueClient('pump-43', validity));
  assert.deepEqual(open('pump-43').filesFor(configured), configured);
  assert.deepEqual(open('pump-42').filesFor(configured), { ca: configured.ca, ...installed.files });
  // Of two that do not fit, the later one as ever: names may differ from device.id on purpose.
  assert.deepEqual(open('pump-44').filesFor(configured), { ca: configured.ca, ...installed.files });
  writeFileSync(configured.cert, 'gone');
  assert.deepEqual(open('pump-43').filesFor(configured), { ca: configured.ca, ...installed.files });
});

test('what is dropped leaves nothing but its key, and keys that wait are few', async (t) => {
  const { authority, configured, open, files } = await bench(t);
  const pairs = open();
  const pair = pairs.stage(await authority.issueFor(pairs.request().csr));
  pairs.try(pair);
  pairs.drop(pair);
  assert.deepEqual(pairs.filesFor(configured), configured);
  assert.equal(files().length, 1);
  for (let more = 0; more < 5; more += 1) pairs.request();
  assert.equal(files().length, 2);
});

test('what can not be this device’s certificate is refused in its own words, and nothing is kept of it', async (t) => {
  const { authority, open, files } = await bench(t);
  const pairs = open();
  const { csr } = pairs.request();
  const own = await authority.issueFor(csr);
  const { cert: foreign, key } = await authority.issueClient('pump-42');
  const { cert: another } = await authority.issueClient('pump-43');
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /got none/],
    ['hello', /got none/],
    [own.replace(/[A-Za-z]{20}/, 'AAAAAAAAAAAAAAAAAAAA'), /does not parse|other|got/],
    [`${own}${key}`, /got a private key/],
    [authority.ca, /one of an authority/],
    [foreign, /certificate.csr made on this device/],
    [another, /common name pump-42, got "pump-43"/],
    [`${own}${foreign}`, /certificate 2 is not the issuer of certificate 1/],
    [`${own}${authority.ca.repeat(9)}`, /at most 8 certificates, got 10/],
    ['x'.repeat(40_000), /at most 32768 bytes, got 40000/],
  ];
  for (const [pem, text] of cases)
    assert.match(
      refusalOf(() => pairs.stage(pem)),
      text,
    );
  assert.equal(files().length, 1);
  assert.match(
    refusalOf(() => open('pump-9').stage(own)),
    /common name pump-9, got "pump-42"/,
  );
  const { subject } = pairs.stage(`${own}${authority.ca}`);
  assert.equal(subject, 'CN=pump-42');
});

test('a file that says nonsense about what is installed is told, and the configured pair counts', async (t) => {
  const { authority, configured, open, directory } = await bench(t);
  const pairs = open();
  const pair = pairs.stage(await authority.issueFor(pairs.request().csr));
  pairs.promote(pair, 'c1');
  const path = join(directory, 'installed.json');
  const sound = readFileSync(path, 'utf8');
  for (const text of ['', '{}', sound.replace('.pem', '/../x.pem'), sound.slice(0, 40), 'x'.repeat(70_000)]) {
    writeFileSync(path, text);
    assert.deepEqual(open().filesFor(configured), configured);
    assert.equal(open().installed, undefined);
  }
  writeFileSync(path, sound);
  // What is configured may be gone: the installed pair does not need it.
  assert.deepEqual(open().filesFor({ ...configured, key: join(directory, 'none') }), {
    ca: configured.ca,
    ...pair.files,
  });
  writeFileSync(pair.files.cert, 'gone');
  assert.deepEqual(open().filesFor(configured), configured);
});

test('what is gone from the disk is not installed, and of a pair that can not be read the one before it counts', async (t) => {
  const { authority, configured, open } = await bench(t);
  const pairs = open();
  const stage = async () => pairs.stage(await authority.issueFor(pairs.request().csr));
  const first = await stage();
  pairs.promote(first, 'c1');
  const gone = await stage();
  pairs.try(gone);
  rmSync(gone.files.cert);
  assert.throws(
    () => pairs.promote(gone, 'c2'),
    (error) => error instanceof Fault && error.code === 'state.disk',
  );
  pairs.drop(gone);
  assert.deepEqual(open().filesFor(configured), { ca: configured.ca, ...first.files });
  const second = await stage();
  pairs.promote(second, 'c3');
  writeFileSync(second.files.cert, 'rotten');
  assert.deepEqual(open().filesFor(configured), { ca: configured.ca, ...first.files });
  // The rule holds for it too: what was put in place by hand later counts.
  const { cert, key } = await authority.issueClient('pump-42', {
    notBefore: new Date(Date.now() - 1000),
    notAfter: new Date(Date.now() + DAY_MS),
  });
  writeFileSync(configured.cert, cert);
  writeFileSync(configured.key, key);
  assert.deepEqual(open().filesFor(configured), configured);
});

test('a certificate that would not count beside the configured one is refused', async (t) => {
  const { authority, open, files } = await bench(t);
  const pairs = open();
  const older = { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() + 300 * DAY_MS) };
  const pem = await authority.issueFor(pairs.request().csr, older);
  assert.match(
    refusalOf(() => pairs.stage(pem)),
    /must not begin before the configured one, which would go on to count \(20.*Z\), got 20.*Z$/,
  );
  assert.equal(files().length, 1);
});
