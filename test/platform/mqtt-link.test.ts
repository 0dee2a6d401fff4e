/**
 * The link itself, without an agent: what a broker says of our certificate is understood every time, whenever in the
 * handshake it says it, and a broker that is not trusted gets nothing from us.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer } from 'node:tls';
import { type LinkCredentials, mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import type { LinkOpening } from '../../src/ports-broker.ts';
import { type CertifiedPair, makeAuthority } from '../../src/workbench/certificates.ts';
import { setFaultStage } from '../agent/fault-stage.ts';
import { until } from '../rig/wait.ts';

const RUNS = 25;
const DEADLINE_MS = 10_000;

const nothing = (): void => undefined;

function open(port: number, ca: string, pair: CertifiedPair | undefined): Promise<LinkOpening> {
  const credentials: LinkCredentials = {
    ca: Buffer.from(ca),
    cert: pair === undefined ? undefined : Buffer.from(pair.cert),
    key: pair === undefined ? undefined : Buffer.from(pair.key),
    crl: undefined,
    certificate: undefined,
    username: 'pump-42',
    password: 'secret',
  };
  const target = {
    url: `mqtts://127.0.0.1:${port}`,
    protocol: 5,
    clientIdentifier: 'pump-42',
    cleanStart: false,
    keepAliveMs: 10_000,
    sessionExpiryMs: 60_000,
    connectTimeoutMs: DEADLINE_MS,
    will: { topic: 'a', payload: Buffer.from('{}'), delayMs: 0 },
  } as const;
  return mqttLinkOpener(() => credentials).open(target, {
    inbound: (chunk) => [chunk],
    drained: nothing,
    message: nothing,
    ended: nothing,
  });
}

for (const maximum of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`what a broker says of our certificate is understood every time, over ${maximum} too`, async (t) => {
    const stage = await setFaultStage(t);
    const { authority } = stage;
    const openssl = `openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = ${maximum}\n`;
    const revoked = await authority.issueClient('pump-42');
    const list = await stage.put('crl.pem', await authority.revoke([revoked.cert]));
    const broker = await stage.mosquitto({
      lines: [`crlfile ${list}`],
      env: { OPENSSL_CONF: await stage.put('openssl.cnf', openssl) },
    });
    const old = { notBefore: new Date('2020-01-01'), notAfter: new Date('2020-02-01') };
    const rows = [
      ['identity.missing', undefined],
      ['identity.revoked', revoked],
      ['identity.unknown-ca', await (await makeAuthority('rogue')).issueClient('pump-42')],
      ['identity.expired', await authority.issueClient('pump-42', old)],
    ] as const;
    for (const [word, pair] of rows) {
      const seen = new Map<string, number>();
      for (let run = 0; run < RUNS; run += 1) {
        const opening = await open(broker.port, authority.ca, pair);
        const found = opening.kind === 'refused' ? opening.end.word : 'up';
        seen.set(found, (seen.get(found) ?? 0) + 1);
      }
      assert.deepEqual([...seen], [[word, RUNS]]);
    }
  });

  test(`a broker that is not trusted gets no byte of CONNECT, which holds the password, over ${maximum} either`, async (t) => {
    const server = await (await makeAuthority('somebody else')).issueServer(['127.0.0.1']);
    let heard = 0;
    let ended = 0;
    const peer = createServer({ ...server, maxVersion: maximum }, (socket) => {
      socket.on('data', (bytes: Buffer) => {
        heard += bytes.length;
      });
    });
    peer.on('tlsClientError', nothing);
    peer.on('secureConnection', (socket) => socket.on('error', nothing));
    peer.on('connection', (socket: Socket) => {
      socket.once('close', () => {
        ended += 1;
      });
    });
    t.after(() => peer.close());
    await new Promise<void>((done) => peer.listen(0, '127.0.0.1', done));
    const address = peer.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const authority = await makeAuthority('test authority');
    const opening = await open(port, authority.ca, await authority.issueClient('pump-42'));
    assert.equal(opening.kind === 'refused' && opening.end.word, 'tls.other-ca');
    await until(() => ended === 1, 'the end of the connection', DEADLINE_MS);
    assert.equal(heard, 0);
  });
}

test('a broker that speaks no TLS from 1.2 on is refused and named, whatever the environment tells Node', async (t) => {
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });
  const authority = await makeAuthority('test authority');
  const server = await authority.issueServer(['127.0.0.1']);
  let secured = 0;
  // OpenSSL 3 lets TLS 1.1 be spoken at security level 0 alone.
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const peer = createServer({ ...server, ...old }, () => {
    secured += 1;
  });
  peer.on('tlsClientError', nothing);
  t.after(() => peer.close());
  await new Promise<void>((done) => peer.listen(0, '127.0.0.1', done));
  const address = peer.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const opening = await open(port, authority.ca, await authority.issueClient('pump-42'));
  assert.equal(opening.kind === 'refused' && opening.end.word, 'tls.version');
  assert.equal(secured, 0);
  // The peer does speak it, to whoever would.
  const client = connectTls({ port, host: '127.0.0.1', ca: authority.ca, ...old });
  t.after(() => client.destroy());
  await new Promise<void>((done, fail) => client.once('secureConnect', done).once('error', fail));
  assert.equal(client.getProtocol(), 'TLSv1.1');
});
