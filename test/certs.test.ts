/** Development certificates, the identity that is loaded from files, and `fieldpost certs`, over real TLS. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { certsCommand } from '../src/cli/certs.ts';
import { Fault } from '../src/fault.ts';
import { loadIdentity } from '../src/platform/identity.ts';
import { type CertifiedPair, makeAuthority, makeDevelopmentCertificates } from '../src/workbench/certificates.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.now();
const EXPIRED = { notBefore: new Date(NOW - 2 * HOUR_MS), notAfter: new Date(NOW - HOUR_MS) };
const TO_COME = { notBefore: new Date(NOW + HOUR_MS), notAfter: new Date(NOW + 2 * HOUR_MS) };
const isRoot = process.getuid?.() === 0;

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'fieldpost-certs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function write(folder: string, name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** What comes of it when this client meets this server: `welcome`, or what one of them holds against the other. */
async function meet(
  ca: string,
  server: CertifiedPair,
  client: CertifiedPair | undefined,
  host = 'localhost',
): Promise<string> {
  const listener = createServer({ ca, ...server, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined);
    socket.end(socket.authorized ? 'welcome' : `client: ${socket.authorizationError?.toString() ?? 'unknown'}`);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername: host, ca, ...client });
  const answer = await new Promise<string>((done) => {
    socket.once('data', (chunk: Buffer) => done(chunk.toString()));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.once('close', () => done('closed'));
  });
  socket.destroy();
  listener.close();
  return answer;
}

function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  return assert.fail('nothing was thrown');
}

test('server and device know each other by the certificates that were made together', async () => {
  const made = await makeDevelopmentCertificates({ device: 'pump-42', others: ['collector'] });
  assert.equal(await meet(made.ca, made.server, made.client), 'welcome');
  const [collector] = made.others;
  assert.ok(collector);
  assert.equal(await meet(made.ca, made.server, collector), 'welcome');
  const server = new X509Certificate(made.server.cert);
  assert.ok(server.checkHost('localhost') && server.checkIP('127.0.0.1') && server.checkIP('::1'));
  assert.equal(new X509Certificate(made.client.cert).subject, 'CN=pump-42');
  assert.equal(new X509Certificate(made.client.cert).publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('certificates that are wrong in one way are refused for that reason', async () => {
  const authority = await makeAuthority('one');
  const other = await makeAuthority('other');
  const [server, client] = [await authority.issueServer(['localhost']), await authority.issueClient('pump-42')];
  const serverOf = (validity: typeof EXPIRED): Promise<CertifiedPair> => authority.issueServer(['localhost'], validity);
  assert.equal(await meet(authority.ca, await serverOf(EXPIRED), client), 'CERT_HAS_EXPIRED');
  assert.equal(await meet(authority.ca, await serverOf(TO_COME), client), 'CERT_NOT_YET_VALID');
  assert.equal(await meet(authority.ca, server, client, 'elsewhere'), 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.equal(
    await meet(authority.ca, await other.issueServer(['localhost']), client),
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  );
  assert.match(await meet(authority.ca, server, undefined), /^client: /);
  assert.match(
    await meet(authority.ca, server, await other.issueClient('pump-42')),
    /^client: UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  );
  assert.match(
    await meet(authority.ca, server, await authority.issueClient('x', EXPIRED)),
    /^client: CERT_HAS_EXPIRED/,
  );
  assert.match(await meet(authority.ca, server, server), /^client: INVALID_PURPOSE/);
});

test('an identity is loaded with what its certificate says', async (t) => {
  const folder = folderOf(t);
  const { ca, client } = await makeDevelopmentCertificates({ device: 'pump-42', days: 7 });
  const files = {
    ca: write(folder, 'ca', ca),
    cert: write(folder, 'cert', client.cert),
    key: write(folder, 'key', client.key),
  };
  const identity = loadIdentity(files);
  assert.equal(identity.key?.toString(), client.key);
  assert.equal(identity.certificate?.commonName, 'pump-42');
  const days = (Date.parse(identity.certificate.notAfter) - Date.now()) / (24 * HOUR_MS);
  assert.ok(days > 6.9 && days <= 7, `${days} days`);
  assert.match(identity.certificate.notBefore, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(Object.keys(loadIdentity({ ca: files.ca })), ['ca']);
});

test('a certificate that is out of date is reported and not refused: the clock may be the one that is wrong', async (t) => {
  const folder = folderOf(t);
  const authority = await makeAuthority('one');
  const ca = write(folder, 'ca', authority.ca);
  for (const validity of [EXPIRED, TO_COME]) {
    const pair = await authority.issueClient('pump-42', validity);
    const loaded = loadIdentity({ ca, cert: write(folder, 'cert', pair.cert), key: write(folder, 'key', pair.key) });
    assert.equal(Date.parse(loaded.certificate?.notAfter ?? ''), Math.floor(validity.notAfter.getTime() / 1000) * 1000);
  }
});

test('a key that others may read is refused by its mode, whatever is in it', async (t) => {
  const folder = folderOf(t);
  const { ca, client } = await makeDevelopmentCertificates({ device: 'pump-42' });
  const files = { ca: write(folder, 'ca', ca), cert: write(folder, 'cert', client.cert), key: join(folder, 'key') };
  for (const mode of [0o644, 0o604, 0o602, 0o601, 0o666]) {
    write(folder, 'key', client.key, mode);
    const fault = faultOf(() => loadIdentity(files));
    assert.equal(fault.code, 'key.exposed');
    assert.ok(fault.message.includes(files.key) && fault.message.includes(mode.toString(8)), fault.message);
    assert.ok(!fault.message.includes('PRIVATE'));
  }
  for (const mode of [0o600, 0o400, 0o640, 0o440]) {
    write(folder, 'key', client.key, 0o600);
    chmodSync(files.key, mode);
    assert.ok(loadIdentity(files).key);
  }
});

test('a key that a group other than our own may read is refused', {
  skip: isRoot ? false : 'needs root',
}, async (t) => {
  const folder = folderOf(t);
  const { ca, client } = await makeDevelopmentCertificates({ device: 'pump-42' });
  const files = {
    ca: write(folder, 'ca', ca),
    cert: write(folder, 'cert', client.cert),
    key: write(folder, 'key', client.key),
  };
  chownSync(files.key, 0, 54_321);
  assert.ok(loadIdentity(files).key, 'the group may not read it');
  chmodSync(files.key, 0o640);
  assert.equal(faultOf(() => loadIdentity(files)).code, 'key.exposed');
});

test('files that can not be used are told by name and reason', async (t) => {
  const folder = folderOf(t);
  const made = await makeDevelopmentCertificates({ device: 'pump-42' });
  const another = await makeDevelopmentCertificates({ device: 'pump-42' });
  const ca = write(folder, 'ca', made.ca);
  const cert = write(folder, 'cert', made.client.cert);
  const key = write(folder, 'key', made.client.key);
  const told = (change: Partial<Record<'ca' | 'cert' | 'key', string>>, what: RegExp): void => {
    const fault = faultOf(() => loadIdentity({ ca, cert, key, ...change }));
    assert.equal(fault.code, 'config.invalid');
    assert.match(fault.message, what);
    assert.ok(!fault.message.includes('-----BEGIN PRIVATE KEY-----\n'));
  };
  told({ ca: join(folder, 'none') }, /none: must be a readable file, got missing/);
  told({ key: join(folder, 'none') }, /private key .*none: must be a readable file, got missing/);
  told({ ca: folder }, /must be a readable file, got EISDIR/);
  told({ ca: write(folder, 'a', 'not PEM') }, /must be certificates in PEM .* got none/);
  told({ cert: key }, /key: must be certificates in PEM/);
  told(
    { cert: write(folder, 'b', made.client.cert.replace(/\n[^-].{20}/, '\nAAAAAAAAAAAAAAAAAAAAA')) },
    /does not parse/,
  );
  told({ key: cert }, /must be a private key in PEM/);
  told(
    { key: write(folder, 'c', made.client.key.replace(/\n[^-].{20}/, '\nAAAAAAAAAAAAAAAAAAAAA')) },
    /does not parse/,
  );
  told({ key: write(folder, 'd', made.client.key.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE')) }, /without a passphrase/);
  told(
    { key: write(folder, 'e', another.client.key) },
    /must be the key of the certificate in .*cert, got the key of another one/,
  );
  told({ ca: write(folder, 'f', ' '.repeat(1024 * 1024 + 1)) }, /at most 1048576 bytes/);
});

test('certs writes a set that works, keys for its owner only, and never over an old one unless told', async (t) => {
  const folder = join(folderOf(t), 'tls');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const pair = (name: string): CertifiedPair => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) });
  assert.equal(certs(folder, '--device', 'pump-7', '--consumer', 'collector'), 0);
  for (const name of ['server', 'client', 'consumer'])
    assert.equal(statSync(join(folder, `${name}.key`)).mode & 0o777, 0o600);
  assert.equal(await meet(read('ca.pem'), pair('server'), pair('client')), 'welcome');
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'client.pem'), key: join(folder, 'client.key') };
  assert.equal(loadIdentity(files).certificate?.commonName, 'pump-7');
  const before = read('client.key');
  assert.equal(certs(folder), 64);
  assert.equal(read('client.key'), before);
  chmodSync(join(folder, 'client.key'), 0o644);
  assert.equal(certs(folder, '--force', '--days', '3'), 0);
  assert.notEqual(read('client.key'), before);
  assert.equal(statSync(join(folder, 'client.key')).mode & 0o777, 0o600);
});

test('certs makes an operator, and keeps the authority where it is told to: openssl signs a renewal with it', async (t) => {
  const folder = join(folderOf(t), 'tls');
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  assert.equal(certs(folder, '--operator', 'operator', '--keep-authority'), 0);
  assert.equal(new X509Certificate(read('operator.pem')).subject, 'CN=operator');
  for (const name of ['operator.key', 'ca.key']) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  const at = (name: string): string => join(folder, name);
  const made = spawnSync(
    'sh',
    [
      '-e',
      '-c',
      `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout new.key -subj /CN=pump-42 -out new.csr
       openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -days 30 -out new.pem`,
    ],
    { cwd: folder, encoding: 'utf8' },
  );
  assert.equal(made.status, 0, made.stderr);
  const server = { cert: read('server.pem'), key: read('server.key') };
  assert.equal(await meet(read('ca.pem'), server, { cert: read('new.pem'), key: read('new.key') }), 'welcome');
  const other = join(folderOf(t), 'tls');
  assert.equal(certs(other), 0);
  assert.ok(!existsSync(join(other, 'ca.key')), 'kept without being told to');
  assert.equal(
    loadIdentity({ ca: at('ca.pem'), cert: at('operator.pem'), key: at('operator.key') }).certificate?.commonName,
    'operator',
  );
});

test('certs refuses arguments that make no sense', async () => {
  for (const args of [
    [],
    ['a', 'b'],
    ['d', '--days', '0'],
    ['d', '--device', 'a b'],
    ['d', '--server', 'a b'],
    ['d', '--operator', 'a b'],
  ]) {
    await assert.rejects(
      certsCommand(args),
      (error) => error instanceof Fault && error.code === 'usage',
      args.join(' '),
    );
  }
});

/** Runs the command as a process and resolves with its exit status; it always has to warn. */
function certs(...args: readonly string[]): number | null {
  const main = join(import.meta.dirname, '../src/main.ts');
  const done = spawnSync(process.execPath, ['--import', 'tsx', main, 'certs', ...args], { encoding: 'utf8' });
  if (done.status === 0) assert.match(done.stderr, /FOR DEVELOPMENT ONLY/);
  return done.status;
}
