/** The look whether a link could come up, without a broker: what goes wrong before there is a socket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LinkCredentials, mqttLinkOpener } from '../../src/platform/mqtt-link.ts';
import { NO_CREDENTIALS } from './plain-link.ts';

const TIME_ALLOWED_MS = 5000;

test('a key that OpenSSL takes no such of is told, and does not end the process when the time allowed is over', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const credentials: LinkCredentials = {
    ...NO_CREDENTIALS,
    // As of hardware whose engine is not there; a certificate with too short a key ends at the same place.
    key: Buffer.from('-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n'),
  };
  const refused = await mqttLinkOpener(() => credentials).probe({
    url: 'mqtts://127.0.0.1:1',
    clientIdentifier: 'pump-42',
    connectTimeoutMs: TIME_ALLOWED_MS,
  });
  assert.equal(refused?.word, 'identity.files');
  assert.doesNotThrow(() => t.mock.timers.tick(2 * TIME_ALLOWED_MS));
});
