/**
 * The agent: the only place where the parts are put together. It starts in the order of the data path (ledger, lines,
 * broker), runs, and stops in the reverse one: lines first, then what is in flight drains, then the farewell, then the
 * ledger. What a part needs of the world comes in through `AgentPorts`.
 */
import { AgentCommands, type AgentCommandsOptions } from './agent-commands.ts';
import { AgentLink } from './agent-link.ts';
import { AgentSensors } from './agent-sensors.ts';
import { type Topics, topicsOf } from './broker/topics.ts';
import { ClockKeeper } from './clock/keeper.ts';
import type { WatchedClock } from './clock/watched-clock.ts';
import type { DeviceConfig } from './config/schema.ts';
import { requestSchemas } from './command/json-schema.ts';
import { EventCare } from './delivery/event-care.ts';
import type { LedgerFiles } from './ledger/files.ts';
import { Ledger } from './ledger/ledger.ts';
import { newestEvents } from './ledger/newest.ts';
import type {
  Boot,
  CertificateText,
  Chance,
  Cron,
  DoctorPart,
  DevicePairs,
  EventSigner,
  Hardware,
  HostMetrics,
  Log,
  LogControl,
  ProcessFigures,
  RebootRequest,
  SampleSink,
  SignatureJudge,
  StagedPair,
  StateStore,
  Supervisor,
  TimeService,
} from './ports.ts';
import type { LinkOpener, LinkEnd, Renewal } from './ports-broker.ts';
import type { LineOpener, OwedAnswers } from './ports-line.ts';
import type { SensorFact } from './remote/local-check.ts';
import type { TrialLink } from './remote/link-text.ts';
import type { RemoteConfig } from './remote/remote-config.ts';
import { infoOf } from './status/info.ts';
import { LocalStatus } from './status/local-status.ts';
import { SlowFigures } from './status/slow-figures.ts';
import { type StatusDocument, statusOf } from './status/status.ts';
import { Watchdog } from './status/watchdog.ts';
import { FormerSensors } from './status/former-sensors.ts';
import { HostSensor } from './telemetry/host-sensor.ts';

export interface AgentPorts {
  readonly clock: WatchedClock;
  readonly timeService: TimeService;
  readonly chance: Chance;
  readonly boot: Boot;
  readonly log: Log;
  readonly logControl: LogControl;
  readonly files: LedgerFiles;
  readonly lines: LineOpener;
  readonly owed: OwedAnswers;
  readonly broker: LinkOpener;
  readonly renewal: Renewal;
  readonly state: StateStore;
  readonly cron: Cron;
  readonly host: HostMetrics;
  readonly processFigures: () => Promise<ProcessFigures>;
  readonly parseJson: (text: string) => unknown;
  readonly supervisor: Supervisor;
  /** Undefined: events are not signed. */
  readonly signer: EventSigner | undefined;
  /** Of commands; undefined: the configuration names no signers. */
  readonly signatures: SignatureJudge | undefined;
  /** Bytes that this process has written to storage; undefined where the system does not tell. */
  readonly writtenBytes: () => number | undefined;
  /** The status for whoever stands at the device. */
  readonly writeLocalStatus: (document: Readonly<Record<string, unknown>>) => void;
  /** Of the device and the authorities it trusts, from the files as they are now; throws when one can not be read. */
  readonly certificates: () => readonly CertificateText[];
  readonly pairs: DevicePairs;
  readonly probeCertificate: (pair: StagedPair, url: string) => Promise<LinkEnd | undefined>;
  /** Asks the process to end in the ordinary way, to be started again. */
  readonly restart: () => void;
  /** Why it could not be started again, or undefined. */
  readonly startFault: (of: 'process' | 'machine') => Promise<string | undefined>;
  /** What the doctor finds beside the running agent, without disturbing it. */
  readonly doctor: () => Promise<readonly DoctorPart[]>;
  readonly compress: (bytes: Buffer) => Promise<Buffer>;
  /** Undefined: there is no way to ask for a reboot of the machine. */
  readonly reboot: RebootRequest | undefined;
}

/** The configuration, and what may become of it. */
export type AgentRemote = AgentCommandsOptions['remote'] & Pick<RemoteConfig, 'degraded' | 'eventsHeld' | 'report'>;

export interface AgentOptions {
  readonly config: DeviceConfig;
  /** sha256 of the configuration, base64url. */
  readonly configHash: string;
  readonly remote: AgentRemote;
  readonly version: string;
  readonly hardware: Hardware;
  /** Of the client certificate as it is now on disk, ISO 8601; undefined without one. */
  readonly certificate: () => { readonly notBefore: string; readonly notAfter: string } | undefined;
  readonly ports: AgentPorts;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #topics: Topics;
  readonly #ledger: Ledger;
  readonly #link: AgentLink;
  readonly #clock: ClockKeeper;
  readonly #sensors: AgentSensors;
  readonly #hostSensor: HostSensor | undefined;
  readonly #commands: AgentCommands;
  readonly #figures: SlowFigures;
  readonly #formerSensors: FormerSensors;
  readonly #localStatus: LocalStatus;
  readonly #watchdog: Watchdog;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { config, ports } = options;
    this.#topics = topicsOf(config.topics.prefix, config.device.id, { ...config.topics, groups: config.device.groups });
    this.#ledger = this.#makeLedger();
    this.#link = this.#makeLink();
    const onBetter = (): void => this.#link.connection.clockChanged();
    this.#clock = new ClockKeeper({ ...ports, sink: this.#ledger, onBetter });
    const samples: SampleSink = { publish: (...sample) => this.#link.publishSample(...sample) };
    this.#sensors = new AgentSensors({
      ...options,
      topics: this.#topics,
      samples,
      events: this.#ledger,
      onState: (sensor) => {
        this.#link.presence.sensorChanged(sensor);
        this.#localStatus.changed();
      },
    });
    const { host } = config;
    this.#hostSensor =
      host === undefined ? undefined : new HostSensor({ ...ports, topics: this.#topics, samples, config: host });
    this.#commands = this.#makeCommands(samples);
    this.#figures = new SlowFigures({
      ...ports,
      oldestUnsentMs: () => this.#ledger.oldestUnsentMs(),
      freeBytes: () => ports.files.freeBytes(),
    });
    this.#formerSensors = new FormerSensors({
      ...ports,
      configured: config.sensors.map(({ id }) => id),
      clear: (sensors) => this.#link.presence.clearSensors(sensors),
    });
    this.#localStatus = new LocalStatus({
      ...ports,
      document: () => this.#local(),
      matter: () => this.#localMatter(),
      write: (document) => {
        ports.writeLocalStatus(document);
        this.#watchdog.tell();
      },
    });
    this.#watchdog = this.#makeWatchdog();
  }

  /** Rejects when the ledger can not be opened; a broker or line that is not there is no failure. */
  async start(): Promise<void> {
    const { config, ports, version } = this.#options;
    this.#watchdog.start();
    await this.#ledger.open();
    const { epoch, last, unsent } = this.#ledger.figures;
    ports.log.info('fieldpost starts', { version, device: config.device.id, epoch, last, unsent });
    if (config.broker.protocol === 4) {
      ports.log.warn(
        'MQTT 3.1.1: the broker can not say that it refuses an event; a refused event counts as delivered',
      );
    }
    await this.#clock.start();
    await this.#figures.start();
    await this.#link.receipts.start();
    await this.#commands.open();
    await this.#sensors.start((count) => newestEvents(this.#ledger, count));
    this.#hostSensor?.start();
    this.#link.connection.start();
    ports.renewal.start(
      () => this.#link.connection.takeRenewed(),
      () => this.#changed(),
    );
    await this.#commands.start();
    await this.#formerSensors.start();
    this.#localStatus.changed();
    this.#watchdog.ready();
  }

  /** Whether the lines are open, and if not, why. */
  get sensorFacts(): readonly SensorFact[] {
    return this.#sensors.all.map((sensor) => ({ id: sensor.id, ...sensor.state() }));
  }

  /** What became of the connection since the start. */
  get connection(): TrialLink {
    return this.#link.connection.figures;
  }

  /** Ends what runs; what is not handed over within the time stays in the ledger for the next start. */
  async stop(asked: 'shutdown' | 'reboot' | 'update'): Promise<void> {
    const why = this.#commands.rebooting ? 'reboot' : asked;
    this.#commands.stop();
    this.#hostSensor?.stop();
    await this.#sensors.stop();
    this.#options.ports.renewal.stop();
    await this.#link.stop(why);
    this.#link.sender.stop();
    await this.#clock.stop();
    await this.#commands.close();
    await this.#figures.stop();
    await this.#ledger.close();
    this.#localStatus.stop();
    this.#watchdog.stop();
    this.#options.ports.log.info('fieldpost stopped', { why, unsent: this.#ledger.figures.unsent });
  }

  #makeLedger(): Ledger {
    const { config, ports } = this.#options;
    const { segmentBytes, maxBytes, retain, commitWindow, receipts } = config.ledger;
    const { signer, ...others } = ports;
    return new Ledger({
      ...others,
      device: config.device.id,
      segmentBytes,
      maxBytes,
      retainMs: retain,
      commitWindowMs: commitWindow,
      receipts,
      ...(signer === undefined ? {} : { signer }),
      onRefusing: () => this.#changed(),
    });
  }

  #makeWatchdog(): Watchdog {
    return new Watchdog({
      ...this.#options.ports,
      works: () => [this.#ledger.work, ...this.#sensors.works],
      status: () => ({ ...this.#link.connection.figures, degraded: this.#status().degraded }),
    });
  }

  #makeCommands(samples: SampleSink): AgentCommands {
    return new AgentCommands({
      ...this.#options,
      topics: this.#topics,
      samples,
      status: () => this.#link.presence.document('online'),
      session: () => this.#link.presence.session,
      info: () => this.#info(),
      events: new EventCare({
        ledger: this.#ledger,
        sender: this.#link.sender,
        receipts: this.#link.receipts,
        settlesByReceipt: this.#options.config.ledger.receipts,
      }),
      auditSink: this.#ledger,
      sensors: this.#sensors.all,
      tap: (sensor, take) => this.#sensors.tap(sensor, take),
      hostSensor: this.#hostSensor,
      link: () => this.#link.link,
      connection: this.#link.connection,
      onConfirmed: () => this.#link.release('the configuration was confirmed'),
    });
  }

  #makeLink(): AgentLink {
    return new AgentLink({
      ...this.#options,
      topics: this.#topics,
      ledger: this.#ledger,
      status: () => this.#status(),
      info: () => this.#info(),
      sensors: () => this.#sensors.all.map((sensor) => ({ sensor: sensor.id, ...sensor.state() })),
      onCommand: (message) => this.#commands.take(message),
      onSecureLink: () => this.#clock.sessionUp(),
      onUp: () => this.#commands.linkUp(),
      onReady: () => this.#commands.linkReady(),
      onDown: () => this.#commands.linkDown(),
      held: () => this.#options.remote.eventsHeld,
      onConnection: () => this.#localStatus.changed(),
      onChange: () => this.#changed(),
    });
  }

  #changed(): void {
    this.#link.presence.changed();
    this.#localStatus.changed();
  }

  #info(): Readonly<Record<string, unknown>> {
    const { boot, signer } = this.#options.ports;
    return infoOf({
      ...this.#options,
      configReport: this.#options.remote.report,
      boot: boot.id,
      commands: this.#commands.accepted.map(({ name }) => name),
      requests: requestSchemas(this.#commands.accepted),
      signer,
    });
  }

  #status(): StatusDocument {
    const { ports, version, certificate } = this.#options;
    return statusOf({
      agent: version,
      boot: ports.boot.id,
      clock: ports.clock.quality(),
      connection: this.#link.connection.figures,
      starts: this.#figures.starts,
      renewalFails: ports.renewal.trouble !== undefined,
      stateFails: this.#figures.stateFails,
      config: this.#options.remote.report,
      configFaults: this.#options.remote.degraded,
      nowMs: ports.clock.wallMs(),
      ledger: this.#ledger.figures,
      oldestUnsentMs: this.#figures.oldestUnsentMs,
      receipts: this.#options.config.ledger.receipts
        ? { ...this.#link.receipts.figures, late: this.#link.receipts.late }
        : undefined,
      telemetryDropped: this.#telemetryDropped(),
      certificate: certificate(),
      freeBytes: this.#figures.freeBytes,
      writtenBytesDay: this.#figures.writtenBytesDay,
      writtenBytes: ports.writtenBytes(),
      forbiddenStreams: this.#link.sender.figures.forbidden,
      forbiddenTopics: this.#link.forbiddenTopics,
      eventsHeld: this.#link.eventsHeld,
      guarantee: this.#link.guarantee,
      sensors: this.#sensors.all.map((sensor) => ({ id: sensor.id, state: sensor.state().state })),
    });
  }

  #telemetryDropped(): number {
    return this.#sensors.samplesDropped + (this.#hostSensor?.counters.dropped ?? 0);
  }

  #local(): Readonly<Record<string, unknown>> {
    const { clock } = this.#options.ports;
    const { url } = this.#link.connection.figures;
    const at = new Date(clock.wallMs()).toISOString();
    return { v: 1, at, device: this.#options.config.device.id, connected: url !== undefined, url, ...this.#status() };
  }

  #localMatter(): string {
    const { url, lastEnd } = this.#link.connection.figures;
    return [url ?? lastEnd?.word, ...this.#status().degraded].join('\n');
  }
}
