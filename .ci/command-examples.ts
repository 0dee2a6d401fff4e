// One request of each command that takes arguments or changes something, for docs/COMMANDS.md: its arguments.
import type { CommandName } from '../src/config/command-names.ts';

export const COMMAND_EXAMPLES: Readonly<Partial<Record<CommandName, object>>> = {
  'certificate.csr': {},
  'certificate.install': { certificate: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n' },
  'events.replay': { from: 1201, to: 1250 },
  'events.retry': { seq: 1207 },
  'events.abandon': { seq: 1207 },
  'sensor.read': { sensor: 'pump' },
  'sensor.restart': { sensor: 'pump' },
  'sensor.capture': { sensor: 'pump', seconds: 30 },
  'serial.write': { sensor: 'pump', template: 'level', values: { level: 40 } },
  'diagnostics.collect': {},
  'schedule.run': { index: 0 },
  'log.level': { level: 'debug', for: '10m' },
  'log.tail': { level: 'warn', for: '5m' },
  'telemetry.pause': { sensor: 'pump', for: '1h' },
  'telemetry.resume': { sensor: 'pump' },
  'config.plan': { patch: { broker: { keepAlive: '60s' } } },
  'config.set': { base: 0, patch: { broker: { keepAlive: '60s' } }, within: '2m' },
  'config.confirm': { token: '4e1f0c9a7d2b4f6885a1c3e5d7f90b24' },
  'config.cancel': {},
  'config.rollback': { base: 3 },
  'agent.restart': {},
  'host.reboot': {},
};
