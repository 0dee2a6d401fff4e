/** What stands in the booted tree beside fieldpost: the broker, the consumer, a pump, a meter, and the unit that checks. */
import { PLACE, PUMP_PORT } from './inside/state.ts';

export const DEVICE = 'pump-42';
const TLS = '/etc/booted/tls';
const FIELDPOST = `/usr/bin/node ${PLACE}/dist/fieldpost.mjs`;

export const MOSQUITTO = `user root
listener 8883 127.0.0.1
cafile ${TLS}/ca.pem
certfile ${TLS}/server.pem
keyfile ${TLS}/server.key
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file /etc/booted/acl
persistence true
persistence_location /var/lib/mosquitto/
autosave_interval 1
autosave_on_changes true
max_queued_messages 100000
`;

export function deviceFile(): string {
  const document = {
    device: { id: DEVICE },
    broker: {
      urls: ['mqtts://localhost:8883'],
      keepAlive: '10s',
      tls: {
        ca: '/etc/fieldpost/tls/ca.pem',
        cert: '/etc/fieldpost/tls/client.pem',
        key: 'cred:client.key',
      },
    },
    ledger: { dir: '/var/lib/fieldpost/ledger', receipts: true, segmentBytes: '256KiB' },
    sensors: [
      {
        id: 'pump',
        port: { tcp: `127.0.0.1:${PUMP_PORT}` },
        framing: { type: 'line', max: 512 },
        decode: { type: 'json' },
        routes: [
          {
            when: { k: 'sale' },
            event: {
              stream: 'sale',
              type: 'delivery',
              dedupe: { epoch: 'boot', seq: 'seq' },
              fields: { volume: { from: 'ml', unit: 'l', scale: '0.001', as: 'decimal' } },
            },
            answer: { write: 'ACK {boot} {seq}\n' },
          },
        ],
      },
      { id: 'meter', profile: 'dsmr5', port: { path: '/dev/ttyMETER', baudRate: 115_200 } },
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

const unit = (description: string, service: readonly string[]): string =>
  `[Unit]\nDescription=${description}\n\n[Service]\n${service.join('\n')}\n\n[Install]\nWantedBy=multi-user.target\n`;
const pair = (name: string): string => `--cert ${TLS}/${name}.pem --private-key ${TLS}/${name}.key`;

export const UNITS: Readonly<Record<string, string>> = {
  'booted-broker.service': unit('broker', [
    'ExecStart=/usr/sbin/mosquitto -c /etc/booted/mosquitto.conf',
    'Restart=always',
  ]),
  'booted-consumer.service': unit('consumer', [
    'StateDirectory=booted',
    `ExecStart=${FIELDPOST} collect --url mqtts://localhost:8883 --ca ${TLS}/ca.pem ${pair('consumer')} --device ${DEVICE} --out /var/lib/booted/collected`,
    'Restart=always',
    'RestartSec=1',
  ]),
  'booted-pump.service': unit('pump', [
    'StateDirectory=booted',
    `ExecStart=/usr/bin/node ${PLACE}/pump.mjs`,
    'Restart=always',
  ]),
  'booted-meter.service': unit('meter', [
    `ExecStart=${FIELDPOST} simulate dsmr5 --pty --link /dev/ttyMETER`,
    'ExecStartPost=/bin/sh -c "until [ -e /dev/ttyMETER ]; do sleep 0.1; done; chgrp dialout /dev/ttyMETER; chmod 660 /dev/ttyMETER"',
    'Restart=always',
  ]),
  'booted-checks.service': unit('checks', [
    'StateDirectory=booted',
    `ExecStart=/usr/bin/node ${PLACE}/main.mjs`,
    'StandardOutput=append:/var/log/booted.log',
    'StandardError=append:/var/log/booted.log',
  ]),
};
