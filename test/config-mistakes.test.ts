/** Every rule of device.json that a single value can break, and the sentence it is told with. */
import assert from 'node:assert/strict';
import { REMOTE_KEYS } from '../src/config/remote-keys.ts';
import { test } from 'node:test';
import { base, one, route, withBroker, withRoute, withSensor } from './config-rig.ts';

const URL =
  '/broker/urls/0: must be mqtts://host:port or wss://host:port/path, or plain mqtt://host:port or ws://host:port/path, without user or password,';

const MISTAKES: readonly (readonly [what: string, value: unknown, told: string])[] = [
  [
    'a device id with a space',
    { ...base(), device: { id: 'a b' } },
    '/device/id: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "a b"',
  ],
  [
    'a device id of 65 characters',
    { ...base(), device: { id: 'x'.repeat(65) } },
    `/device/id: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "${'x'.repeat(60)}"...`,
  ],
  ['a missing section', { ...base(), ledger: undefined }, '/ledger: must be an object, got nothing'],
  ['a missing value', { ...base(), device: {} }, '/device/id: must be 1 to 64 of A-Z a-z 0-9 . _ -, got nothing'],
  ['a list where an object belongs', { ...base(), topics: [] }, '/topics: must be an object, got an empty list'],
  [
    'a wildcard in the prefix',
    { ...base(), topics: { prefix: 'fp/+' } },
    '/topics/prefix: must be topic levels such as "fp/v1": 1 to 128 characters without + # $, white space, or empty levels, got "fp/+"',
  ],
  [
    'a character in the prefix that no broker takes',
    { ...base(), topics: { prefix: 'fp/\ufffe' } },
    '/topics/prefix: must be topic levels such as "fp/v1": 1 to 128 characters without + # $, white space, or empty levels, got "fp/\ufffe"',
  ],
  [
    'a prefix of 65 levels',
    { ...base(), topics: { prefix: `${'a/'.repeat(64)}a` } },
    `/topics/prefix: must be topic levels such as "fp/v1": 1 to 128 characters without + # $, white space, or empty levels, got "${'a/'.repeat(30)}"...`,
  ],
  ['a keep alive of nothing', withBroker({ keepAlive: '0s' }), '/broker/keepAlive: must be 5s to 1h, got "0s"'],
  ['a keep alive without unit', withBroker({ keepAlive: 30 }), '/broker/keepAlive: must be 5s to 1h, got 30'],
  [
    'a keep alive that MQTT can not say',
    withBroker({ keepAlive: '5500ms' }),
    '/broker/keepAlive: must be in whole seconds, got "5500ms"',
  ],
  ['an unknown unit', withBroker({ willDelay: '1w' }), '/broker/willDelay: must be 0s to 1h, got "1w"'],
  [
    'a session that never starts',
    withBroker({ sessionExpiry: '0s' }),
    '/broker/sessionExpiry: must be 1m to 365d, got "0s"',
  ],
  ['a window of nothing', withBroker({ window: 0 }), '/broker/window: must be a whole number, 1 to 1000, got 0'],
  ['a window of 1.5', withBroker({ window: 1.5 }), '/broker/window: must be a whole number, 1 to 1000, got 1.5'],
  ['MQTT 3', withBroker({ protocol: 3 }), '/broker/protocol: must be 5 or 4, got 3'],
  [
    'no broker at all',
    withBroker({ urls: [] }),
    '/broker/urls: must be a list of 1 to 8 broker URLs, got an empty list',
  ],
  ['a scheme that is no MQTT', withBroker({ urls: ['http://b'] }), `${URL} got "http://b"`],
  ['a path without a WebSocket', withBroker({ urls: ['mqtts://b/mqtt'] }), `${URL} got "mqtts://b/mqtt"`],
  [
    'a token in the query of a WebSocket',
    withBroker({ urls: ['wss://b/mqtt?token=1'] }),
    `${URL} got "wss://b/mqtt?token=1"`,
  ],
  [
    'a WebSocket of a host that no URL can have',
    withBroker({ urls: ['wss://1.2.3.456'] }),
    `${URL} got "wss://1.2.3.456"`,
  ],
  [
    'a plain WebSocket that leaves the machine',
    withBroker({ urls: ['ws://broker.example/mqtt'] }),
    '/broker/urls: must be mqtts:// or wss://, or on this machine: a plain connection to another host needs broker.allowPlain, got a list of 1',
  ],
  [
    'a protocol name that ALPN does not have',
    withBroker({ tls: { ca: '/c', alpn: ['mqtt 5'] } }),
    '/broker/tls/alpn/0: must be a protocol name of 1 to 255 characters of ASCII, as x-amzn-mqtt-ca, got "mqtt 5"',
  ],
  [
    'a password in the URL, which is not repeated',
    withBroker({ urls: ['mqtts://u:secret@b'] }),
    `${URL} got "mqtts://***@b"`,
  ],
  ['a port that is none', withBroker({ urls: ['mqtts://b:65536'] }), `${URL} got "mqtts://b:65536"`],
  [
    'TLS without an authority',
    { ...base(), broker: { urls: ['mqtts://b'] } },
    '/broker/tls: must be an object with ca: TLS needs the authority that vouches for the broker, got nothing',
  ],
  [
    'a TLS section without an authority',
    withBroker({ tls: { alpn: ['mqtt'] } }),
    '/broker/tls/ca: must be given: the authority that vouches for the broker (or psk in its place), got nothing',
  ],
  [
    'a pre-shared key beside certificates',
    withBroker({ tls: { ca: '/c', psk: { keyFile: '/k' } } }),
    '/broker/tls/psk: must be left out, or alone with alpn: a pre-shared key takes the place of certificates and names, got an object with 1 key',
  ],
  [
    'a credential that is a path',
    withBroker({ tls: { ca: 'cred:../ca.pem' } }),
    '/broker/tls/ca: must be the path of a file or directory, or cred: and the name of a credential, got "cred:../ca.pem"',
  ],
  [
    'a certificate without key',
    withBroker({ tls: { ca: '/c', cert: '/d' } }),
    '/broker/tls/key: must be given: cert and key come together, got nothing',
  ],
  [
    'a key without certificate',
    withBroker({ tls: { ca: '/c', key: '/k' } }),
    '/broker/tls/cert: must be given: cert and key come together, got nothing',
  ],
  [
    'a plain connection that leaves the machine',
    withBroker({ urls: ['mqtt://broker.example'] }),
    '/broker/urls: must be mqtts:// or wss://, or on this machine: a plain connection to another host needs broker.allowPlain, got a list of 1',
  ],
  [
    'a host that only looks like loopback',
    withBroker({ urls: ['mqtt://localhost.example'] }),
    '/broker/urls: must be mqtts:// or wss://, or on this machine: a plain connection to another host needs broker.allowPlain, got a list of 1',
  ],
  [
    'a password without user',
    withBroker({ passwordFile: '/p' }),
    '/broker/username: must be given: a password needs its user name, got nothing',
  ],
  [
    'verification switched off',
    withBroker({ tls: { ca: '/c', rejectUnauthorized: false } }),
    '/broker/tls/rejectUnauthorized: must be a known key (ca, cert, key, crl, serverName, alpn, psk), got the key "rejectUnauthorized"',
  ],
  [
    'a key in place of its path, which is not repeated',
    withBroker({ tls: { ca: '-----BEGIN\nsecret' } }),
    '/broker/tls/ca: must be the path of a file or directory, got a text of 17 characters on several lines',
  ],
  [
    'a small ledger',
    { ...base(), ledger: { dir: '/l', maxBytes: '1MiB' } },
    '/ledger/maxBytes: must be 16MiB to 1024GiB, got "1MiB"',
  ],
  [
    'a decimal size',
    { ...base(), ledger: { dir: '/l', maxBytes: '64MB' } },
    '/ledger/maxBytes: must be 16MiB to 1024GiB, got "64MB"',
  ],
  [
    'segments too large for the ledger',
    { ...base(), ledger: { dir: '/l', maxBytes: '16MiB', segmentBytes: '8MiB' } },
    '/ledger/segmentBytes: must be at most a quarter of ledger.maxBytes, got "8MiB"',
  ],
  [
    'receipts',
    { ...base(), ledger: { dir: '/l', receipts: 'on' } },
    '/ledger/receipts: must be true or false, got "on"',
  ],
  [
    'signatures',
    { ...base(), ledger: { dir: '/l', sign: 'rsa' } },
    '/ledger/sign: must be true ("ed25519"), "ed25519", "ecdsa-p256" or false, got "rsa"',
  ],
  [
    'a log level of another tool',
    { ...base(), log: { level: 'trace' } },
    '/log/level: must be "error", "warn", "info" or "debug", got "trace"',
  ],
  [
    'a key that nobody may ever change by command',
    { ...base(), remote: { allow: ['/device/id'] } },
    `/remote/allow/0: must be a pointer to one of ${REMOTE_KEYS.join(', ')}, or below one; nothing else is ever changed by command, got "/device/id"`,
  ],
  [
    'a decoder nobody knows',
    withSensor({ decode: { type: 'xml' } }),
    '/sensors/0/decode/type: must be "json", "csv", "regex", "struct", "obis", "nmea", "sml" or "raw", got "xml"',
  ],
  [
    'no line',
    withSensor({ port: {} }),
    '/sensors/0/port: must be an object with either path (a serial line) or tcp (host:port of a raw serial server), got an empty object',
  ],
  [
    'two lines',
    withSensor({ port: { path: '/d', tcp: 'h:1' } }),
    '/sensors/0/port: must be an object with either path (a serial line) or tcp (host:port of a raw serial server), got an object with 2 keys',
  ],
  [
    'a baud rate for TCP',
    withSensor({ port: { tcp: 'h:1', baudRate: 9600 } }),
    '/sensors/0/port: must be tcp alone: the serial server sets baudRate, dataBits, parity and stopBits, got an object with 2 keys',
  ],
  ['TCP without port', withSensor({ port: { tcp: 'host' } }), '/sensors/0/port/tcp: must be host:port, got "host"'],
  [
    'nine data bits',
    withSensor({ port: { path: '/d', dataBits: 9 } }),
    '/sensors/0/port/dataBits: must be 5, 6, 7 or 8, got 9',
  ],
  [
    'a frame of 8 bytes',
    withSensor({ framing: { type: 'line', max: 8 } }),
    '/sensors/0/framing/max: must be a whole number, 16 to 16384, got 8',
  ],
  [
    'an empty delimiter',
    withSensor({ framing: { type: 'line', delimiter: '' } }),
    '/sensors/0/framing/delimiter: must be a text of 1 to 8 bytes, or hex: and pairs of hexadecimal digits, got ""',
  ],
  [
    'columns of one name',
    withSensor({ decode: { type: 'csv', columns: ['ml', 'ml'] } }),
    '/sensors/0/decode/columns: must be a list of 1 to 64 column names, each once, got a list of 2',
  ],
  [
    'two separators',
    withSensor({ decode: { type: 'csv', columns: ['ml'], separator: ', ' } }),
    '/sensors/0/decode/separator: must be one character that is not a line end or double quote, got ", "',
  ],
  ['no route', withSensor({ routes: [] }), '/sensors/0/routes: must be a list of 1 to 32 routes, got an empty list'],
  [
    'a route to nowhere',
    withRoute({}),
    '/sensors/0/routes/0: must be an object with either telemetry or event, got an empty object',
  ],
  [
    'an answer without event',
    withRoute({ telemetry: { fields: { a: { from: 'a' } } }, answer: { write: 'x' } }),
    '/sensors/0/routes/0/answer: must be left out: only an event is answered, once it is on disk, got an object with 1 key',
  ],
  [
    'a route on null',
    withRoute({ ...route, when: { k: null } }),
    '/sensors/0/routes/0/when/k: must be a text, a number, true or false, got null',
  ],
  [
    "the agent's own stream",
    withRoute({ event: { ...route.event, stream: 'agent' } }),
    '/sensors/0/routes/0/event/stream: must be another name: the stream "agent" is the agent\'s own, got "agent"',
  ],
  [
    'a stream of two levels',
    withRoute({ event: { ...route.event, stream: 'a/b' } }),
    '/sensors/0/routes/0/event/stream: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "a/b"',
  ],
  [
    'an event of nothing',
    withRoute({ event: { ...route.event, fields: {} } }),
    '/sensors/0/routes/0/event/fields: must be an object with 1 to 64 fields, got an empty object',
  ],
  [
    'a field name with a space',
    withRoute({ event: { ...route.event, fields: { 'a b': { from: 'a' } } } }),
    '/sensors/0/routes/0/event/fields/a b: must be a field name of 1 to 64 of A-Z a-z 0-9 . _ -, got the key "a b"',
  ],
  [
    'a scale as number',
    withRoute({ event: { ...route.event, fields: { a: { from: 'a', scale: 0.001 } } } }),
    '/sensors/0/routes/0/event/fields/a/scale: must be a decimal number other than 0 as text, such as "0.001", got 0.001',
  ],
  [
    'a scale of nothing',
    withRoute({ event: { ...route.event, fields: { a: { from: 'a', scale: '0.0' } } } }),
    '/sensors/0/routes/0/event/fields/a/scale: must be a decimal number other than 0 as text, such as "0.001", got "0.0"',
  ],
  [
    'a scaled text',
    withRoute({ event: { ...route.event, fields: { a: { from: 'a', as: 'string', scale: '2' } } } }),
    '/sensors/0/routes/0/event/fields/a: must be without scale, min, max and monotonic: they are for decimals and integers, got an object with 3 keys',
  ],
  [
    'a range upside down',
    withRoute({ event: { ...route.event, fields: { a: { from: 'a', min: 2, max: 1 } } } }),
    '/sensors/0/routes/0/event/fields/a: must be a range with min at most max, got an object with 3 keys',
  ],
  [
    'half of a source numbering',
    withRoute({ event: { ...route.event, dedupe: { epoch: 'boot' } } }),
    '/sensors/0/routes/0/event/dedupe/seq: must be a text of 1 to 64 characters without control characters, got nothing',
  ],
  [
    'two numberings of one sensor',
    withSensor({ routes: [numbered('seq', { k: 'sale' }), numbered('rseq', { k: 'refill' })] }),
    '/sensors/0/routes/1/event/dedupe/seq: must be "seq", as in route 0: a sensor has one numbering, got "rseq"',
  ],
  [
    'two numbered events of one record',
    withSensor({ routes: [numbered('seq', { k: 'sale' }), route, numbered('seq', { k: 'sale', big: true })] }),
    '/sensors/0/routes/2/when: must be apart from that of route 0 by a key that both name: a number of the sensor is one event, got an object with 2 keys',
  ],
  [
    'two numbered events of one record, told apart by different keys',
    withSensor({ routes: [numbered('seq', { k: 'sale' }), numbered('seq', { pump: 5 })] }),
    '/sensors/0/routes/1/when: must be apart from that of route 0 by a key that both name: a number of the sensor is one event, got an object with 1 key',
  ],
  [
    'two numbered events of one record, told apart by a number and its text',
    withSensor({ routes: [numbered('seq', { pump: 5 }), numbered('seq', { pump: '5' })] }),
    '/sensors/0/routes/1/when: must be apart from that of route 0 by a key that both name: a number of the sensor is one event, got an object with 1 key',
  ],
];

function numbered(seq: string, when: object): object {
  return { when, event: { ...route.event, dedupe: { epoch: 'boot', seq } } };
}

for (const [what, value, told] of MISTAKES) {
  test(`told in one sentence: ${what}`, () => {
    // As it comes from a file: without undefined.
    assert.equal(one(JSON.parse(JSON.stringify(value))), `device.json ${told}`);
  });
}
