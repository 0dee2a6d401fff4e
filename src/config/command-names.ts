/**
 * The commands by name, as far as the configuration has to know them. The handlers are in src/command/; a test holds the
 * two together.
 */
export const COMMAND_NAMES = [
  'ping',
  'status.get',
  'info.get',
  'metrics.get',
  'certificate.status',
  'doctor.run',
  'certificate.csr',
  'certificate.install',
  'events.stat',
  'events.dead',
  'events.replay',
  'events.retry',
  'events.abandon',
  'sensor.list',
  'sensor.read',
  'sensor.restart',
  'sensor.capture',
  'serial.write',
  'diagnostics.collect',
  'schedule.list',
  'schedule.run',
  'log.level',
  'log.tail',
  'telemetry.pause',
  'telemetry.resume',
  'config.get',
  'config.plan',
  'config.history',
  'config.set',
  'config.confirm',
  'config.cancel',
  'config.rollback',
  'agent.restart',
  'host.reboot',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

/** A signed request for one of them names the session of the device's status, and counts in that session alone. */
export const DANGEROUS_COMMANDS: readonly string[] = [
  'events.abandon',
  'config.set',
  'config.rollback',
  'serial.write',
  'certificate.install',
  'host.reboot',
];

/** Named by the design, not in this version: told apart from a typing error. */
export const LATER_COMMANDS: readonly string[] = [];
