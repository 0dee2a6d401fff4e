// Every command of the agent, without an agent: for the page that describes them and for the test that holds them to it.
import { AgentCommands, type AgentCommandsOptions } from '../src/agent-commands.ts';
import { topicsOf } from '../src/broker/topics.ts';
import type { Command } from '../src/command/command.ts';

/** Answers everything with itself, and does nothing: no command is run here. */
const nothing: unknown = new Proxy(() => undefined, { get: () => nothing, apply: () => nothing });

const ports: Readonly<Record<keyof AgentCommandsOptions['ports'], unknown>> = {
  clock: nothing,
  chance: nothing,
  boot: nothing,
  log: nothing,
  state: nothing,
  logControl: nothing,
  cron: nothing,
  host: nothing,
  processFigures: nothing,
  certificates: nothing,
  signatures: nothing,
  pairs: nothing,
  renewal: nothing,
  probeCertificate: nothing,
  restart: nothing,
  startFault: nothing,
  reboot: undefined,
  doctor: nothing,
  compress: nothing,
};

export function allCommands(): readonly Command[] {
  const options: Readonly<Record<keyof AgentCommandsOptions, unknown>> = {
    config: { commands: {}, schedule: [], sensors: [], device: {} },
    ports,
    remote: nothing,
    onConfirmed: nothing,
    configHash: '',
    topics: topicsOf('fp/v1', 'device'),
    sensors: [],
    tap: nothing,
    status: nothing,
    session: nothing,
    info: nothing,
    events: nothing,
    auditSink: nothing,
    hostSensor: undefined,
    samples: nothing,
    link: nothing,
    connection: nothing,
  };
  return new AgentCommands(options as unknown as AgentCommandsOptions).all;
}
