/** `fieldpost doctor` on certificates and keys that are not as they should be, over a real Mosquitto. */
import { chmod } from 'node:fs/promises';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { makeAuthority } from '../../src/workbench/certificates.ts';
import { doctor, failsOnlyIn, setDevice, shows } from './rig.ts';

const DAY_MS = 86_400_000;

test('a broker of another authority is named, and what to do', async (t) => {
  const device = await setDevice(t);
  const other = await makeAuthority('another authority');
  const broker = await device.mosquitto({ server: await other.issueServer(['127.0.0.1']) });
  const seen = await doctor(t, await device.configure(broker.port));
  shows(seen, { part: /^broker/, name: /^TLS$/, state: 'failed', found: /^tls\.other-ca: /, todo: /file of tls\.ca/ });
  shows(seen, { part: /^broker/, name: /^MQTT$/, state: 'skipped', found: /does not come up/ });
  failsOnlyIn(seen, /^broker/);
  assert.equal(seen.exit, 1);
});

test("a broker's certificate for another name is named, and what to do", async (t) => {
  const device = await setDevice(t);
  const broker = await device.mosquitto({ server: await device.authority.issueServer(['broker.example']) });
  const seen = await doctor(t, await device.configure(broker.port));
  shows(seen, {
    part: /^broker/,
    name: /^TLS$/,
    state: 'failed',
    found: /^tls\.wrong-name: .*127\.0\.0\.1/,
    todo: /broker\.urls/,
  });
  failsOnlyIn(seen, /^broker/);
});

test('an expired client certificate is named in both places, and the broker is told apart from it', async (t) => {
  const device = await setDevice(t);
  const nowMs = Date.now();
  const validity = { notBefore: new Date(nowMs - 9 * DAY_MS), notAfter: new Date(nowMs - DAY_MS) };
  const tls = {
    ...device.tls,
    ...(await device.putPair('old', await device.authority.issueClient('pump-42', validity))),
  };
  const broker = await device.mosquitto();
  const seen = await doctor(t, await device.configure(broker.port, { broker: { tls } }));
  const dates = { part: /^configuration$/, name: /^certificate dates$/, state: 'failed' } as const;
  shows(seen, { ...dates, found: /^expired at .*clock says/, todo: /^renew it/ });
  shows(seen, { part: /^broker/, name: /^TLS$/, state: 'ok', found: /^TLSv1\.3, / });
  shows(seen, { part: /^broker/, name: /^CONNECT$/, state: 'failed', found: /^identity\./, todo: /renew this device/ });
});

test('a certificate that ends soon, and one of another device, are warnings', async (t) => {
  const device = await setDevice(t);
  const nowMs = Date.now();
  const validity = { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + 9.5 * DAY_MS) };
  const pair = await device.putPair('soon', await device.authority.issueClient('pump-43', validity));
  const broker = await device.mosquitto();
  const seen = await doctor(t, await device.configure(broker.port, { broker: { tls: { ...device.tls, ...pair } } }));
  const part = /^configuration$/;
  shows(seen, { part, name: /^certificate dates$/, state: 'warning', found: /^9 days left/, todo: /^renew it/ });
  shows(seen, { part, name: /^common name$/, state: 'warning', found: /"pump-43".*"pump-42"/, todo: /device\.id/ });
  // The rules go by the certificate's name: this device's own topics are another's.
  shows(seen, {
    part: /^broker/,
    name: /^publish QoS 1$/,
    state: 'failed',
    found: /not authorised/,
    todo: /up\/# .*down\/#/,
  });
});

test('a key of another certificate is named, and what depends on it is skipped', async (t) => {
  const device = await setDevice(t);
  const other = await device.putPair('other', await device.authority.issueClient('pump-42'));
  const broker = await device.mosquitto();
  const config = await device.configure(broker.port, { broker: { tls: { ...device.tls, key: other.key } } });
  const seen = await doctor(t, config);
  const part = /^configuration$/;
  shows(seen, { part, name: /^private key$/, state: 'ok', found: /other\.key$/ });
  shows(seen, {
    part,
    name: /^key and certificate$/,
    state: 'failed',
    found: /the key of another one/,
    todo: /^put the key that .*device\.pem was issued for/,
  });
  shows(seen, { part: /^broker/, name: /^TCP$/, state: 'ok', found: /^port/ });
  shows(seen, { part: /^broker/, name: /^TLS$/, state: 'skipped', found: /the key of another one/ });
  failsOnlyIn(seen, part);
});

test('a key that others may read is named even where the authority is missing too', async (t) => {
  const device = await setDevice(t);
  await chmod(device.tls.key, 0o644);
  const broker = await device.mosquitto();
  const config = await device.configure(broker.port, { broker: { tls: { ...device.tls, ca: '/nowhere/ca.pem' } } });
  const seen = await doctor(t, config);
  const part = /^configuration$/;
  shows(seen, { part, name: /^private key$/, state: 'failed', found: /mode 0644/, todo: /^chmod 600 .*replaced$/ });
  shows(seen, { part, name: /^authority$/, state: 'failed', found: /missing/, todo: /\/nowhere\/ca\.pem/ });
  shows(seen, { part, name: /^certificate$/, state: 'ok', found: /device\.pem$/ });
  failsOnlyIn(seen, part);
});
