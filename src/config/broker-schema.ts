/**
 * `broker`: where events and telemetry go, and how the device proves who it is. Verification of the broker's certificate
 * has no switch; a plain connection that leaves the machine has to be asked for by name.
 */
import * as v from 'valibot';
import { BROKER_URL_EXPECTED, BROKER_URL_PATTERN, parseBrokerUrl } from '../broker-url.ts';
import { choice, duration, secretPath, section, text, wholeNumber } from './elements.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

const url = v.pipe(
  v.string(BROKER_URL_EXPECTED),
  v.regex(BROKER_URL_PATTERN, BROKER_URL_EXPECTED),
  v.check((each) => parseBrokerUrl(each) !== undefined, BROKER_URL_EXPECTED),
  v.description(
    'mqtts://host:port (TLS, default port 8883) or mqtt://host:port (plain, default port 1883); over a WebSocket ' +
      'wss://host:port/path (443) or ws://host:port/path (80), default path /mqtt.',
  ),
);

const PROTOCOL_EXPECTED = 'a protocol name of 1 to 255 characters of ASCII, as x-amzn-mqtt-ca';
const PROTOCOLS_EXPECTED = 'a list of 1 to 8 protocol names';

const alpn = v.pipe(
  v.array(
    v.pipe(
      v.string(PROTOCOL_EXPECTED),
      v.regex(/^[!-~]{1,255}$/, PROTOCOL_EXPECTED),
      v.description('A protocol name.'),
    ),
    PROTOCOLS_EXPECTED,
  ),
  v.minLength(1, PROTOCOLS_EXPECTED),
  v.maxLength(8, PROTOCOLS_EXPECTED),
  v.description(
    'Protocols offered by ALPN on mqtts://, for brokers that share port 443 with others: ["mqtt"], AWS ["x-amzn-mqtt-ca"].',
  ),
);

const psk = section('TLS by a pre-shared key, in place of all certificates: for small closed networks.', {
  identity: v.exactOptional(text('What the broker knows the key by. Default: device.id.', 128)),
  keyFile: secretPath('File with the key in 32 to 512 hexadecimal digits.'),
});

const tls = section('Certificates of the mutual TLS connection, as paths of PEM files.', {
  ca: v.exactOptional(secretPath('Certificates of the authorities that may vouch for the broker.')),
  cert: v.exactOptional(secretPath("The device's certificate, then its intermediates. Its common name is device.id.")),
  key: v.exactOptional(secretPath("The private key of cert. Readable by the service's user and group only.")),
  crl: v.exactOptional(
    secretPath("Revocation list of the broker's authority. With it, a broker whose CA has no list is refused."),
  ),
  serverName: v.exactOptional(
    text("Name that the broker's certificate must have, where it is not the host of the URL. Told it as SNI too.", 253),
  ),
  alpn: v.exactOptional(alpn),
  psk: v.exactOptional(psk),
});

const URLS_EXPECTED = 'a list of 1 to 8 broker URLs';

const keys = section('The broker and the connection to it.', {
  urls: v.pipe(
    v.array(url, URLS_EXPECTED),
    v.minLength(1, URLS_EXPECTED),
    v.maxLength(8, URLS_EXPECTED),
    v.description('Brokers of one cluster, tried in turn; the first is the one to be at. 1 to 8.'),
  ),
  returnAfter: v.optional(
    duration('After how long at another broker the first is looked for again. 0s: stays where it is.', 0, 7 * DAY),
    '10m',
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
  passwordFile: v.exactOptional(secretPath('File that holds the MQTT password; line ends at its end are dropped.')),
  allowPlain: v.optional(
    v.pipe(
      v.boolean('true or false'),
      v.description(
        'True: mqtt:// and ws:// may leave this machine. Everybody on the way can then read and forge everything.',
      ),
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
      'an object with ca: TLS needs the authority that vouches for the broker',
    ),
    ['tls'],
  ),
  v.forward(
    v.partialCheck(
      [
        ['tls', 'ca'],
        ['tls', 'psk'],
      ],
      ({ tls: given }) => given === undefined || given.ca !== undefined || given.psk !== undefined,
      'given: the authority that vouches for the broker (or psk in its place)',
    ),
    ['tls', 'ca'],
  ),
  v.forward(
    v.partialCheck(
      [['tls']],
      ({ tls: given }) =>
        given?.psk === undefined ||
        [given.ca, given.cert, given.key, given.crl, given.serverName].every((each) => each === undefined),
      'left out, or alone with alpn: a pre-shared key takes the place of certificates and names',
    ),
    ['tls', 'psk'],
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
      ({ urls, allowPlain }) => allowPlain || !urls.some(leavesPlain),
      'mqtts:// or wss://, or on this machine: a plain connection to another host needs broker.allowPlain',
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
  return parseBrokerUrl(each)?.isSecure === true;
}

/**
 * Plain, to a host that is not this machine: 127.0.0.0/8, ::1 and localhost (RFC 6761) are, by name only: what a name
 * resolves to may change at any time.
 */
function leavesPlain(each: string): boolean {
  const address = parseBrokerUrl(each);
  if (address === undefined || address.isSecure) return false;
  const host = address.host.toLowerCase();
  return host !== 'localhost' && host !== '::1' && !/^127(\.[0-9]{1,3}){3}$/.test(host);
}
