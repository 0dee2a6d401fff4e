/** What a failure of the link is called, where no broker at hand can be made to fail so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndContext, endOfError, endOfReasonCode } from '../../src/platform/link-end.ts';

const CERTIFICATE = {
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  commonName: 'pump-42',
};

function context(change: Partial<EndContext> = {}): EndContext {
  const now = '2026-06-01T00:00:00.000Z';
  const clock = { now, clock: 'set', floor: '2026-05-01T00:00:00.000Z' } as const;
  const own = { device: 'pump-42', certificate: CERTIFICATE, password: false, psk: false };
  return { ...clock, ...own, phase: 'mqtt', ...change };
}

function failure(code: string, reason?: string): Error {
  return Object.assign(new Error(`${code} happened`), { code, ...(reason === undefined ? {} : { reason }) });
}

test('an alert is known by its code under the name of OpenSSL 3.0 and of 3.2', () => {
  for (const start of ['ERR_SSL_SSLV3_ALERT', 'ERR_SSL_SSL/TLS_ALERT']) {
    assert.equal(endOfError(failure(`${start}_CERTIFICATE_REVOKED`), context()).word, 'identity.revoked');
    assert.equal(endOfError(failure(`${start}_CERTIFICATE_EXPIRED`), context()).word, 'identity.expired');
    assert.equal(endOfError(failure(`${start}_BAD_CERTIFICATE`), context()).word, 'identity.rejected');
    const none = context({ certificate: undefined });
    assert.equal(endOfError(failure(`${start}_HANDSHAKE_FAILURE`), none).word, 'identity.missing');
  }
});

test("a bad certificate is told as not yet valid when this device's clock is before it, and the clock is told", () => {
  const now = '2025-12-31T00:00:00.000Z';
  const { word, text } = endOfError(failure('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'), context({ now }));
  assert.equal(word, 'identity.not-yet-valid');
  assert.ok(text.includes(`this device's clock says ${now}`), text);
});

test("OpenSSL's reason is told, its source lines are not", () => {
  const error = failure('ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number');
  assert.equal(
    endOfError(error, context()).text,
    'TLS: the broker does not speak TLS on this port (wrong version number)',
  );
});

test('a connection that is lost within the handshake may be one to a port without TLS, before CONNACK to one with it, later it is not', () => {
  const error = failure('ECONNRESET');
  const early = endOfError(error, context({ phase: 'tls' }));
  assert.equal(early.word, 'network.lost');
  assert.match(early.text, /a port without TLS/);
  assert.match(endOfError(error, context({ phase: 'tcp' })).text, /a port with TLS/);
  assert.deepEqual(endOfError(error, context({ phase: 'up' })), { word: 'network.lost', text: 'ECONNRESET happened' });
});

test('"not authorised" at login means the password where one was sent, and the names where the certificate is another\'s', () => {
  for (const code of [0x05, 0x87]) {
    assert.equal(endOfReasonCode(code, context()).word, 'login.forbidden');
    assert.equal(endOfReasonCode(code, context({ password: true })).word, 'login.password');
    assert.equal(endOfReasonCode(code, context({ password: true, phase: 'up' })).word, 'login.forbidden');
    const another = context({ password: true, certificate: { ...CERTIFICATE, commonName: 'pump-43' } });
    const { word, text } = endOfReasonCode(code, another);
    assert.equal(word, 'login.forbidden');
    assert.match(text, /"pump-43"'s, this device is "pump-42"/);
  }
});

test('an error of a kind that nobody has seen is named by where it came from', () => {
  assert.equal(endOfError(failure('ERR_SSL_SOMETHING_NEW'), context()).word, 'tls.other');
  assert.equal(endOfError(failure('EPROTO'), context()).word, 'tls.other');
  assert.equal(endOfError(failure('EHOSTUNREACH'), context()).word, 'network.unreachable');
  assert.equal(endOfReasonCode(0xff, context()).word, 'broker.refused');
});

test('whatever dates OpenSSL complains of, under a clock that was never set it is the clock that is named', () => {
  for (const code of ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED', 'CRL_NOT_YET_VALID', 'CRL_HAS_EXPIRED']) {
    const never = context({ now: '1970-01-01T00:01:00.000Z', clock: 'unknown' });
    const { word, text } = endOfError(failure(code), never);
    assert.equal(word, 'tls.clock');
    assert.match(
      text,
      /clock says 1970-01-01T00:01:00\.000Z, and it is 2026-05-01T00:00:00\.000Z at least: it was never set/,
    );
    assert.match(text, new RegExp(code));
    assert.notEqual(endOfError(failure(code), context()).word, 'tls.clock');
  }
  const ahead = endOfError(failure('CERT_HAS_EXPIRED'), context({ now: '2100-01-01T00:00:00.000Z', clock: 'unknown' }));
  assert.match(ahead.text, /clock says 2100-01-01T00:00:00\.000Z, which can not be true/);
});

test('other faults keep their words under a clock that was never set, and our own certificate is not called early', () => {
  const never = context({ now: '1970-01-01T00:01:00.000Z', clock: 'unknown' });
  assert.equal(endOfError(failure('SELF_SIGNED_CERT_IN_CHAIN'), never).word, 'tls.other-ca');
  assert.equal(endOfError(failure('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'), never).word, 'identity.rejected');
});
