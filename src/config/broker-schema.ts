/**
 * `broker`: where events and telemetry go, and how the device proves who it is. Verification of the broker's certificate
 * has no switch; a plain connection that leaves the machine has to be asked for by name.
 */
import * as v from 'valibot';
import { choice, duration, path, section, text, wholeNumber } from './elements.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

const URL_EXPECTED = 'mqtts://host:port or mqtt://host:port, without user, password or path';
/** A host name, an IPv4 address, or an IPv6 address in brackets. */
const URL_PATTERN = /^mqtts?:\/\/([A-Za-z0-9]([A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$/;

const url = v.pipe(
  v.string(URL_EXPECTED),
  v.regex(URL_PATTERN, URL_EXPECTED),
  v.check(hasSoundPort, URL_EXPECTED),
  v.description('mqtts://host:port (TLS, default port 8883) or mqtt://host:port (plain, default port 1883).'),
);

const tls = section('Certificates of the mutual TLS connection, as paths of PEM files.', {
  ca: path('Certificates of the authorities that may vouch for the broker.'),
  cert: v.exactOptional(path("The device's certificate, then its intermediates. Its common name is device.id.")),
  key: v.exactOptional(path("The private key of cert. Readable by the service's user and group only.")),
  crl: v.exactOptional(
    path("Revocation list of the broker's authority. With it, a broker whose CA has no list is refused."),
  ),
});

const URLS_EXPECTED = 'a list of 1 to 8 broker URLs';

const keys = section('The broker and the connection to it.', {
  urls: v.pipe(
    v.array(url, URLS_EXPECTED),
    v.minLength(1, URLS_EXPECTED),
    v.maxLength(8, URLS_EXPECTED),
    v.description('Brokers of one cluster, tried in turn. 1 to 8.'),
  ),
  protocol: v.optional(choice('MQTT version: 5, or 4 for MQTT 3.1.1 with its weaker guarantee.', [5, 4]), 5),
  keepAlive: v.optional(
    duration('Longest silence on the link before it is probed.', 5 * SECOND, HOUR, 'whole seconds'),
    '30s',
  ),
  sessionExpiry: v.optional(
    duration('How long the broker keeps our session while we are away.', 60 * SECOND, 365 * DAY, 'whole seconds'),
    '7d',
  ),
  willDelay: v.optional(
    duration('How long the broker waits before it tells that we are lost.', 0, HOUR, 'whole seconds'),
    '10s',
  ),
  heartbeat: v.optional(
    duration(
      'The status is said again at least this often, and is to be doubted when it is three times as old.',
      5 * SECOND,
      HOUR,
      'whole seconds',
    ),
    '60s',
  ),
  window: v.optional(
    wholeNumber("Events in flight at most. The broker's own receive maximum bounds it further.", 1, 1000),
    32,
  ),
  connectTimeout: v.optional(duration('Time for TCP, TLS and CONNACK together.', SECOND, 5 * 60 * SECOND), '10s'),
  tls: v.exactOptional(tls),
  username: v.exactOptional(text('MQTT user name, where the broker wants one beside the certificate.', 256)),
  passwordFile: v.exactOptional(path('File that holds the MQTT password; line ends at its end are dropped.')),
  allowPlain: v.optional(
    v.pipe(
      v.boolean('true or false'),
      v.description('True: mqtt:// may leave this machine. Everybody on the way can then read and forge everything.'),
    ),
    false,
  ),
});

export const brokerSchema = v.pipe(
  keys,
  v.forward(
    v.partialCheck(
      [['urls'], ['tls']],
      ({ urls, tls: given }) => given !== undefined || !urls.some(isSecure),
      'an object with ca: mqtts:// needs the authority that vouches for the broker',
    ),
    ['tls'],
  ),
  v.forward(
    v.partialCheck(
      [
        ['tls', 'cert'],
        ['tls', 'key'],
      ],
      ({ tls: given }) => given?.cert === undefined || given.key !== undefined,
      'given: cert and key come together',
    ),
    ['tls', 'key'],
  ),
  v.forward(
    v.partialCheck(
      [
        ['tls', 'cert'],
        ['tls', 'key'],
      ],
      ({ tls: given }) => given?.key === undefined || given.cert !== undefined,
      'given: cert and key come together',
    ),
    ['tls', 'cert'],
  ),
  v.forward(
    v.partialCheck(
      [['urls'], ['allowPlain']],
      ({ urls, allowPlain }) => allowPlain || !urls.some((each) => each.startsWith('mqtt://') && !isLoopback(each)),
      'mqtts://, or on this machine: a plain connection to another host needs broker.allowPlain',
    ),
    ['urls'],
  ),
  v.forward(
    v.partialCheck(
      [['username'], ['passwordFile']],
      ({ username, passwordFile }) => passwordFile === undefined || username !== undefined,
      'given: a password needs its user name',
    ),
    ['username'],
  ),
);

function isSecure(each: string): boolean {
  return each.startsWith('mqtts://');
}

/** 127.0.0.0/8, ::1 and localhost (RFC 6761), by name only: what a name resolves to may change at any time. */
function isLoopback(each: string): boolean {
  const host = (URL_PATTERN.exec(each)?.[1] ?? '').toLowerCase();
  return host === 'localhost' || host === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

function hasSoundPort(each: string): boolean {
  const port = /:([0-9]+)$/.exec(each.replace(/\[.*\]/, ''))?.[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}
