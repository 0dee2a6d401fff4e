/**
 * The commands by name, as far as the configuration has to know them. The handlers are in src/command/; a test holds the
 * two together.
 */
export const COMMAND_NAMES = [
  'ping',
  'status.get',
  'events.stat',
  'events.dead',
  'events.replay',
  'events.retry',
  'events.abandon',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

/** Named by the design, not in this version: told apart from a typing error. */
export const LATER_COMMANDS: readonly string[] = [
  'info.get',
  'metrics.get',
  'doctor.run',
  'config.get',
  'config.plan',
  'config.set',
  'config.confirm',
  'config.cancel',
  'config.rollback',
  'config.history',
  'sensor.list',
  'sensor.read',
  'sensor.restart',
  'sensor.capture',
  'serial.write',
  'telemetry.pause',
  'telemetry.resume',
  'log.tail',
  'log.level',
  'diagnostics.collect',
  'certificate.csr',
  'certificate.install',
  'certificate.status',
  'schedule.list',
  'schedule.run',
  'agent.restart',
  'host.reboot',
];
