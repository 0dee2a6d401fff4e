/**
 * The agent: the only place where the parts are put together. It starts in the order of the data path (ledger, lines,
 * broker), runs, and stops in the reverse one: lines first, then what is in flight drains, then the farewell, then the
 * ledger. What a part needs of the world comes in through `AgentPorts`.
 */
import { AgentCommands } from './agent-commands.ts';
import { AgentSensors } from './agent-sensors.ts';
import { Connection, type Traffic } from './broker/connection.ts';
import { Presence } from './broker/presence.ts';
import { Subscription } from './broker/subscription.ts';
import { type Topics, topicsOf } from './broker/topics.ts';
import { ulid } from './broker/ulid.ts';
import type { DeviceConfig } from './config/schema.ts';
import { EventCare } from './delivery/event-care.ts';
import { Receipts } from './delivery/receipts.ts';
import { type Guarantee, guaranteeOf } from './delivery/guarantee.ts';
import { Sender } from './delivery/sender.ts';
import type { LedgerFiles } from './ledger/files.ts';
import { Ledger } from './ledger/ledger.ts';
import type {
  Boot,
  CertificateText,
  Chance,
  Clock,
  Cron,
  EventSigner,
  Hardware,
  HostMetrics,
  Log,
  LogControl,
  ProcessFigures,
  SampleSink,
  StateStore,
} from './ports.ts';
import type { InboundMessage, Link, LinkOpener } from './ports-broker.ts';
import type { LineOpener } from './ports-line.ts';
import { infoOf } from './status/info.ts';
import { LocalStatus } from './status/local-status.ts';
import { SlowFigures } from './status/slow-figures.ts';
import { type StatusDocument, statusOf } from './status/status.ts';
import { FormerSensors } from './status/former-sensors.ts';
import { HostSensor } from './telemetry/host-sensor.ts';

/** Time for events in flight to be handed over at a stop, milliseconds. What is not, stays in the ledger. */
const DRAIN_MS = 3000;
const DRAIN_LOOK_MS = 20;

export interface AgentPorts {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly boot: Boot;
  readonly log: Log;
  readonly logControl: LogControl;
  readonly files: LedgerFiles;
  readonly lines: LineOpener;
  readonly broker: LinkOpener;
  readonly state: StateStore;
  readonly cron: Cron;
  readonly host: HostMetrics;
  readonly processFigures: () => Promise<ProcessFigures>;
  readonly parseJson: (text: string) => unknown;
  /** Undefined: events are not signed. */
  readonly signer: EventSigner | undefined;
  /** Bytes that this process has written to storage; undefined where the system does not tell. */
  readonly writtenBytes: () => number | undefined;
  /** The status for whoever stands at the device. */
  readonly writeLocalStatus: (document: Readonly<Record<string, unknown>>) => void;
  /** Of the device and the authorities it trusts, from the files as they are now; throws when one can not be read. */
  readonly certificates: () => readonly CertificateText[];
  /** Asks the process to end in the ordinary way, to be started again. */
  readonly restart: () => void;
}

export interface AgentOptions {
  readonly config: DeviceConfig;
  /** sha256 of the configuration, base64url. */
  readonly configHash: string;
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
  readonly #sender: Sender;
  readonly #receipts: Receipts;
  readonly #presence: Presence;
  readonly #subscription: Subscription;
  readonly #connection: Connection;
  readonly #sensors: AgentSensors;
  readonly #hostSensor: HostSensor | undefined;
  readonly #commands: AgentCommands;
  readonly #figures: SlowFigures;
  readonly #formerSensors: FormerSensors;
  readonly #localStatus: LocalStatus;
  #eventsHeld: string | undefined;
  #guarantee: Guarantee | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { config, ports } = options;
    const changed = (): void => this.#changed();
    this.#topics = topicsOf(config.topics.prefix, config.device.id);
    this.#ledger = this.#makeLedger();
    this.#sender = new Sender({
      ...ports,
      ledger: this.#ledger,
      topics: this.#topics,
      protocol: config.broker.protocol,
      windowMax: config.broker.window,
      onSessionOver: (why) => this.#connection.restart(why),
      onChange: changed,
    });
    this.#receipts = new Receipts({
      ...ports,
      ledger: this.#ledger,
      settles: config.ledger.receipts,
      onTaken: (ordinal, through) => this.#sender.receiptTaken(ordinal, through),
      onChange: changed,
    });
    this.#presence = new Presence({
      ...ports,
      topics: this.#topics,
      willDelayMs: config.broker.willDelay,
      heartbeatMs: config.broker.heartbeat,
      figures: () => this.#status(),
      info: () => this.#info(),
      sensors: () => this.#sensors.all.map((sensor) => ({ sensor: sensor.id, ...sensor.state() })),
    });
    this.#subscription = new Subscription({ ...ports, topics: this.#topics, onChange: changed });
    this.#connection = this.#makeConnection();
    const samples: SampleSink = { publish: (topic, payload) => this.#publishSample(topic, payload) };
    this.#sensors = new AgentSensors({
      ...options,
      topics: this.#topics,
      samples,
      events: this.#ledger,
      onState: (sensor) => {
        this.#presence.sensorChanged(sensor);
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
      clear: (sensors) => this.#presence.clearSensors(sensors),
    });
    this.#localStatus = new LocalStatus({
      ...ports,
      document: () => this.#local(),
      matter: () => this.#localMatter(),
      write: ports.writeLocalStatus,
    });
  }

  /** Rejects when the ledger can not be opened; a broker or line that is not there is no failure. */
  async start(): Promise<void> {
    const { config, ports, version } = this.#options;
    await this.#ledger.open();
    const { epoch, last, unsent } = this.#ledger.figures;
    ports.log.info('fieldpost starts', { version, device: config.device.id, epoch, last, unsent });
    if (config.broker.protocol === 4) {
      ports.log.warn(
        'MQTT 3.1.1: the broker can not say that it refuses an event; a refused event counts as delivered',
      );
    }
    await this.#figures.start();
    await this.#receipts.start();
    await this.#commands.open();
    await this.#sensors.start();
    this.#hostSensor?.start();
    this.#connection.start();
    await this.#commands.start();
    await this.#formerSensors.start();
    this.#localStatus.changed();
  }

  /** Ends what runs; what is not handed over within the time stays in the ledger for the next start. */
  async stop(why: 'shutdown' | 'reboot' | 'update'): Promise<void> {
    this.#commands.stop();
    this.#hostSensor?.stop();
    await this.#sensors.stop();
    await this.#drain();
    await this.#presence.farewell(why);
    await this.#connection.stop();
    this.#sender.detach();
    await this.#figures.stop();
    await this.#ledger.close();
    this.#localStatus.stop();
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

  #makeCommands(samples: SampleSink): AgentCommands {
    return new AgentCommands({
      ...this.#options,
      topics: this.#topics,
      samples,
      status: () => this.#presence.document('online'),
      info: () => this.#info(),
      events: new EventCare({
        ledger: this.#ledger,
        sender: this.#sender,
        receipts: this.#receipts,
        settlesByReceipt: this.#options.config.ledger.receipts,
      }),
      auditSink: this.#ledger,
      sensors: this.#sensors.all,
      hostSensor: this.#hostSensor,
      link: () => this.#connection.link,
    });
  }

  #makeConnection(): Connection {
    const { config, ports } = this.#options;
    const { broker, device } = config;
    const ledger = this.#ledger;
    return new Connection({
      ...ports,
      opener: ports.broker,
      store: {
        get session() {
          return ledger.session;
        },
        get life() {
          return ledger.drainingLife?.ordinal ?? 0;
        },
        get epoch() {
          return ledger.drainingLife?.epoch ?? '';
        },
        markSession: (session, forgotten) => ledger.markSession(session, forgotten),
      },
      traffic: this.#traffic(),
      urls: broker.urls,
      topicRoot: this.#topics.root,
      target: {
        protocol: broker.protocol,
        clientIdentifier: device.id,
        keepAliveMs: broker.keepAlive,
        sessionExpiryMs: broker.sessionExpiry,
        connectTimeoutMs: broker.connectTimeout,
      },
      newSession: () => ulid(ports.clock.wallMs(), ports.chance),
    });
  }

  #traffic(): Traffic {
    return {
      opening: (session) => {
        this.#sender.reset();
        return this.#presence.will(session);
      },
      inbound: (chunk) => this.#sender.inbound(chunk),
      drained: () => this.#sender.drained(),
      message: (message) => this.#onMessage(message),
      up: (link, session, generation, held) => this.#onUp(link, session, generation, held),
      down: () => {
        this.#sender.detach();
        this.#subscription.down();
        this.#presence.down();
        this.#commands.linkDown();
      },
      failed: () => this.#localStatus.changed(),
    };
  }

  #onUp(link: Link, session: string, generation: number, held: string | undefined): void {
    const { log } = this.#options.ports;
    const life = this.#ledger.drainingLife;
    const { broker, ledger } = this.#options.config;
    this.#guarantee = guaranteeOf(link.terms, { ...broker, receipts: ledger.receipts });
    this.#eventsHeld = held ?? this.#guarantee.held;
    const { word, why } = this.#guarantee;
    if (this.#eventsHeld === undefined) log.info('guarantee on this broker', { guarantee: word, why });
    else log.error('events are held back in the ledger', { guarantee: 'held', reason: this.#eventsHeld });
    this.#presence.up(link, session);
    this.#subscription.up(link);
    this.#commands.linkUp();
    if (this.#eventsHeld === undefined && life !== undefined) this.#sender.attach(link, generation, life);
    this.#localStatus.changed();
  }

  #onMessage(message: InboundMessage): void {
    if (message.topic === this.#topics.receipt) this.#receipts.take(message.payload);
    else this.#commands.take(message);
  }

  /** QoS 0: not sent while there is no link, or while its socket is full of what matters more. */
  #publishSample(topic: string, payload: Buffer): boolean {
    const link = this.#connection.link;
    if (link === undefined || link.full) return false;
    link.publish(topic, payload, { qos: 0, retain: false }).catch(() => undefined);
    return true;
  }

  async #drain(): Promise<void> {
    const { clock } = this.#options.ports;
    const until = clock.monotonicMs() + DRAIN_MS;
    const drained = (): boolean => this.#ledger.figures.unsent === 0 || this.#connection.link === undefined;
    while (!drained() && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => {
        clock.after(DRAIN_LOOK_MS, resolve);
      });
    }
  }

  #changed(): void {
    this.#presence.changed();
    this.#localStatus.changed();
  }

  #info(): Readonly<Record<string, unknown>> {
    const { boot, signer } = this.#options.ports;
    return infoOf({ ...this.#options, boot: boot.id, commands: this.#commands.accepted, signer });
  }

  #status(): StatusDocument {
    const { ports, version, certificate } = this.#options;
    const forbidden = this.#presence.forbidden.map((topic) => this.#topics.below(topic));
    return statusOf({
      agent: version,
      boot: ports.boot.id,
      clock: ports.clock.quality(),
      connection: this.#connection.figures,
      starts: this.#figures.starts,
      stateFails: this.#figures.stateFails,
      nowMs: ports.clock.wallMs(),
      ledger: this.#ledger.figures,
      oldestUnsentMs: this.#figures.oldestUnsentMs,
      receipts: this.#options.config.ledger.receipts
        ? { ...this.#receipts.figures, late: this.#receipts.late }
        : undefined,
      telemetryDropped: this.#telemetryDropped(),
      certificate: certificate(),
      freeBytes: this.#figures.freeBytes,
      writtenBytesDay: this.#figures.writtenBytesDay,
      writtenBytes: ports.writtenBytes(),
      forbiddenStreams: this.#sender.figures.forbidden,
      forbiddenTopics: this.#subscription.refused ? [...forbidden, 'down/#'] : forbidden,
      eventsHeld: this.#eventsHeld,
      guarantee: this.#guarantee,
      sensors: this.#sensors.all.map((sensor) => ({ id: sensor.id, state: sensor.state().state })),
    });
  }

  #telemetryDropped(): number {
    return this.#sensors.samplesDropped + (this.#hostSensor?.counters.dropped ?? 0);
  }

  #local(): Readonly<Record<string, unknown>> {
    const { clock } = this.#options.ports;
    const { url } = this.#connection.figures;
    const at = new Date(clock.wallMs()).toISOString();
    return { v: 1, at, device: this.#options.config.device.id, connected: url !== undefined, url, ...this.#status() };
  }

  #localMatter(): string {
    const { url, lastEnd } = this.#connection.figures;
    return [url ?? lastEnd?.word, ...this.#status().degraded].join('\n');
  }
}
