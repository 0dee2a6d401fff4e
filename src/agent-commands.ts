/**
 * What the agent can be asked, put together: the commands, the desk that judges and answers them, and the device's own
 * schedule, which goes through the same desk. Part of the composition root.
 */
import type { Connection } from './broker/connection.ts';
import type { Topics } from './broker/topics.ts';
import { agentRestartCommand, type StartFault } from './command/agent-restart.ts';
import { captureCommand, type CaptureSources } from './command/capture.ts';
import { certificateCsrCommand } from './command/certificate-csr.ts';
import { CertificateInstall } from './command/certificate-install.ts';
import { certificateStatusCommand } from './command/certificate-status.ts';
import type { Command } from './command/command.ts';
import { ConfigChange, type ConfigChanges } from './command/config-change.ts';
import { configReadCommands, type ConfigView } from './command/config-read.ts';
import { CommandDesk, type Response } from './command/desk.ts';
import { diagnosticsCommand } from './command/diagnostics.ts';
import { doctorRunCommand } from './command/doctor-run.ts';
import { eventsCommands, type EventsDesk } from './command/events.ts';
import { GroupDoor } from './command/group-door.ts';
import { HeldAnswers } from './command/held-answers.ts';
import { HostReboot } from './command/host-reboot.ts';
import { infoGetCommand } from './command/info-get.ts';
import { Lease } from './command/lease.ts';
import { LogRing } from './command/log-ring.ts';
import { LogTail } from './command/log-tail.ts';
import { logCommands } from './command/logs.ts';
import { metricsGetCommand } from './command/metrics-get.ts';
import { pingCommand } from './command/ping.ts';
import { Schedule } from './command/schedule.ts';
import { scheduleCommands } from './command/schedules.ts';
import { type CommandedSensor, sensorsCommands } from './command/sensors.ts';
import { serialWriteCommand, type WritableSensor } from './command/serial-write.ts';
import { statusGetCommand } from './command/status-get.ts';
import { DEVICE_BYTES_KEYS, redacted } from './redacted.ts';
import { TelemetryPauses, type TelemetrySource } from './command/telemetry.ts';
import type { DeviceConfig } from './config/schema.ts';
import { reasonOf } from './fault.ts';
import type {
  Boot,
  CertificateText,
  Chance,
  Clock,
  Cron,
  DoctorPart,
  DevicePairs,
  EventSink,
  HostMetrics,
  Log,
  LogControl,
  ProcessFigures,
  RebootRequest,
  SampleSink,
  SignatureJudge,
  StagedPair,
  StateStore,
} from './ports.ts';
import type { InboundMessage, Link, LinkEnd, Renewal } from './ports-broker.ts';

type Document = Readonly<Record<string, unknown>>;

export interface AgentCommandsOptions {
  readonly config: DeviceConfig;
  /** sha256 of the configuration, base64url. */
  readonly configHash: string;
  readonly ports: {
    readonly clock: Clock;
    readonly chance: Chance;
    readonly boot: Boot;
    readonly log: Log;
    readonly state: StateStore;
    readonly logControl: LogControl;
    readonly cron: Cron;
    readonly host: HostMetrics;
    readonly processFigures: () => Promise<ProcessFigures>;
    /** Of the files as they are now; throws when one can not be read. */
    readonly certificates: () => readonly CertificateText[];
    /** Undefined: the configuration names no signers. */
    readonly signatures: SignatureJudge | undefined;
    readonly pairs: DevicePairs;
    readonly renewal: Pick<Renewal, 'shown'>;
    /** Whether the broker takes it, on a connection of its own; undefined: it does. */
    readonly probeCertificate: (pair: StagedPair, url: string) => Promise<LinkEnd | undefined>;
    /** Asks the process to end in the ordinary way, to be started again. */
    readonly restart: () => void;
    readonly startFault: StartFault;
    /** What the doctor finds beside the running agent, without disturbing it. */
    readonly doctor: () => Promise<readonly DoctorPart[]>;
    readonly compress: (bytes: Buffer) => Promise<Buffer>;
    /** Undefined: there is no way to ask for a reboot of the machine. */
    readonly reboot: RebootRequest | undefined;
  };
  /** The configuration, and changes of it. */
  readonly remote: ConfigChanges & ConfigView;
  /** Events may leave: the configuration on trial was confirmed. */
  readonly onConfirmed: () => void;
  readonly topics: Topics;
  readonly status: () => Document;
  /** Of the connection that there is. */
  readonly session: () => string | undefined;
  readonly info: () => Document;
  readonly events: EventsDesk;
  readonly auditSink: EventSink;
  readonly sensors: readonly (CommandedSensor & TelemetrySource & WritableSensor)[];
  /** Copies of what comes over a sensor's line. */
  readonly tap: CaptureSources['tap'];
  readonly hostSensor: TelemetrySource | undefined;
  readonly samples: SampleSink;
  /** Undefined: there is none. */
  readonly link: () => Link | undefined;
  readonly connection: Pick<Connection, 'figures' | 'renew'>;
}

export class AgentCommands {
  readonly #options: AgentCommandsOptions;
  readonly #tail: LogTail;
  readonly #configChange: ConfigChange;
  readonly #ring: LogRing;
  readonly #reboot: HostReboot;
  readonly #all: readonly Command[];
  readonly #answers: HeldAnswers;
  readonly #install: CertificateInstall;
  readonly #desk: CommandDesk;
  readonly #groups: GroupDoor;
  readonly #schedule: Schedule;
  readonly #logLevel: Lease;
  readonly #pauses: TelemetryPauses;

  constructor(options: AgentCommandsOptions) {
    const { config, ports, topics, samples, auditSink, session } = options;
    this.#options = options;
    this.#answers = new HeldAnswers({ ...ports, link: options.link });
    this.#tail = new LogTail({ ...ports, publish: (payload) => samples.publish(topics.log, payload) });
    this.#ring = new LogRing(ports.clock, ports.logControl);
    const installing = (): string | undefined => (this.#install.isRunning ? 'certificate.install' : undefined);
    this.#reboot = new HostReboot({ ...ports, busy: () => options.remote.busy ?? installing() });
    const { connection } = options;
    this.#install = new CertificateInstall({
      ...ports,
      url: () => connection.figures.url,
      shown: () => ports.renewal.shown,
      lastEnd: () => connection.figures.lastEnd,
      renew: (why) => connection.renew(why),
      busy: () => options.remote.busy,
    });
    this.#logLevel = new Lease(ports.clock);
    const { sensors, hostSensor } = options;
    this.#pauses = new TelemetryPauses({
      ...ports,
      sources: hostSensor === undefined ? sensors : [...sensors, hostSensor],
    });
    this.#configChange = new ConfigChange({
      ...options,
      clock: ports.clock,
      changes: options.remote,
      busy: installing,
    });
    this.#all = this.#commands();
    this.#desk = new CommandDesk({
      ...ports,
      topics,
      auditSink,
      session,
      device: config.device.id,
      policy: config.commands,
      commands: this.#all,
      respond: (response) => this.#respond(response),
    });
    const pass = (message: InboundMessage): void => this.#desk.take(message);
    this.#groups = new GroupDoor({ ...ports, topics, spreadMs: config.device.groupSpread, pass });
    this.#schedule = new Schedule({ ...ports, entries: config.schedule, desk: this.#desk });
  }

  /** The commands that would be run. */
  get accepted(): readonly Command[] {
    return this.#desk.accepted;
  }

  /** Every command that there is, on or off. */
  get all(): readonly Command[] {
    return this.#all;
  }

  /** Before the first request may come, and once events are accepted. */
  async open(): Promise<void> {
    await this.#reboot.open();
    await this.#desk.open();
  }

  /** The machine goes down by command: a stop that comes now is a part of that. */
  get rebooting(): boolean {
    return this.#reboot.underway;
  }

  start(): Promise<void> {
    return this.#schedule.start();
  }

  take(message: InboundMessage): void {
    this.#groups.take(message);
  }

  /** Once the link takes answers. */
  linkUp(): void {
    this.#install.linkUp();
    this.#answers.linkUp().catch((error: unknown) => {
      this.#options.ports.log.error('held answers failed', { reason: reasonOf(error) });
    });
  }

  /** Once the link brings commands. */
  linkReady(): void {
    this.#install.linkReady();
    this.#configChange.linkReady();
  }

  linkDown(): void {
    this.#tail.end();
  }

  /** Nothing begins any more by the clock. */
  stop(): void {
    this.#schedule.stop();
    this.#install.stop();
    this.#groups.stop();
    this.#tail.end();
    this.#logLevel.end();
  }

  /** Nothing is taken or written any more; what still runs is found by the next agent as if the process had ended. */
  async close(): Promise<void> {
    this.#ring.stop();
    await this.#desk.close();
    this.#pauses.stop();
  }

  #commands(): readonly Command[] {
    const { config, ports, topics, sensors, status, info, events, tap } = this.#options;
    return [
      pingCommand(ports.clock, ports.boot),
      statusGetCommand(status),
      infoGetCommand(info),
      metricsGetCommand(ports),
      certificateStatusCommand(ports.clock, ports.certificates),
      doctorRunCommand(ports.doctor),
      certificateCsrCommand(() => ports.pairs.request()),
      this.#install.command,
      ...eventsCommands(events),
      ...sensorsCommands(sensors, (id) => describeSensor(config, id)),
      captureCommand({ ...ports, sensors, tap }),
      serialWriteCommand({ ...ports, sensors, tap }),
      this.#diagnostics(),
      ...scheduleCommands(() => this.#schedule),
      ...logCommands({ ...ports, tail: this.#tail, lease: this.#logLevel, topic: topics.log }),
      ...this.#pauses.commands,
      ...configReadCommands(this.#options.remote),
      ...this.#configChange.commands,
      agentRestartCommand(ports),
      this.#reboot.command,
    ];
  }

  #diagnostics(): Command {
    const { config, configHash, ports, sensors, topics } = this.#options;
    return diagnosticsCommand({
      ...ports,
      device: topics.device,
      commands: () => this.#all,
      parts: {
        config: () => ({ hash: configHash, effective: redacted(config, DEVICE_BYTES_KEYS) }),
        sensors: () =>
          sensors.map((sensor) => ({ id: sensor.id, ...sensor.state(), ...describeSensor(config, sensor.id) })),
        desk: () => this.#desk.counters,
        commands: () => this.#desk.history,
        log: () => this.#ring.lines,
      },
    });
  }

  async #respond(response: Response): Promise<void> {
    this.#schedule.answered(response.id, response.status);
    await this.#answers.send(response, response.owed);
  }
}

/** In the keys of device.json. */
function describeSensor(config: DeviceConfig, id: string): Document {
  const sensor = config.sensors.find((each) => each.id === id);
  if (sensor === undefined) return {};
  const { kind: _, ...tty } = sensor.port;
  const port = sensor.port.kind === 'tcp' ? { tcp: `${sensor.port.host}:${sensor.port.port}` } : tty;
  return { port, ...(sensor.profile === undefined ? {} : { profile: sensor.profile }) };
}
