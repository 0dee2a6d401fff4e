/**
 * The agent: the only place where the parts are put together. It starts in the order of the data path (ledger, lines,
 * broker), runs, and stops in the reverse one: lines first, then what is in flight drains, then the farewell, then the
 * ledger. What a part needs of the world comes in through `AgentPorts`.
 */
import { Connection, type Traffic } from './broker/connection.ts';
import { Presence } from './broker/presence.ts';
import { type Topics, topicsOf } from './broker/topics.ts';
import { ulid } from './broker/ulid.ts';
import { refuseCommand } from './command/refusals.ts';
import type { DeviceConfig } from './config/schema.ts';
import { Sender } from './delivery/sender.ts';
import { reasonOf } from './fault.ts';
import type { LedgerFiles } from './ledger/files.ts';
import { Ledger } from './ledger/ledger.ts';
import type { Boot, Chance, Clock, Link, LineOpener, LinkOpener, Log, SampleSink, Timer } from './ports.ts';
import { Sensor } from './sensor/sensor.ts';
import { lineFactory } from './serial/line.ts';
import { type StatusDocument, statusOf } from './status/status.ts';
import { samplesFactory } from './telemetry/samples.ts';

/** Time for events in flight to be handed over at a stop, milliseconds. What is not, stays in the ledger. */
const DRAIN_MS = 3000;
const DRAIN_LOOK_MS = 20;
/** How often figures that take a look at the disk are renewed, milliseconds. */
const FIGURES_MS = 10_000;

export interface AgentPorts {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly boot: Boot;
  readonly log: Log;
  readonly files: LedgerFiles;
  readonly lines: LineOpener;
  readonly broker: LinkOpener;
  readonly parseJson: (text: string) => unknown;
}

export interface AgentOptions {
  readonly config: DeviceConfig;
  readonly version: string;
  /** When the client certificate ends, ISO 8601; undefined without one. */
  readonly certificateNotAfter: string | undefined;
  readonly ports: AgentPorts;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #topics: Topics;
  readonly #ledger: Ledger;
  readonly #sender: Sender;
  readonly #presence: Presence;
  readonly #connection: Connection;
  readonly #sensors: readonly Sensor[];
  #figures: Timer | undefined;
  #oldestUnsentMs: number | undefined;
  #freeBytes: number | undefined;
  #eventsHeld: string | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { config, ports } = options;
    this.#topics = topicsOf(config.topics.prefix, config.device.id);
    this.#ledger = new Ledger({
      ...ports,
      device: config.device.id,
      segmentBytes: config.ledger.segmentBytes,
      maxBytes: config.ledger.maxBytes,
      retainMs: config.ledger.retain,
      onRefusing: () => this.#presence.changed(),
    });
    this.#sender = new Sender({
      ...ports,
      ledger: this.#ledger,
      topics: this.#topics,
      protocol: config.broker.protocol,
      windowMax: config.broker.window,
      onSessionOver: (why) => this.#connection.restart(why),
    });
    this.#presence = new Presence({
      ...ports,
      topics: this.#topics,
      willDelayMs: config.broker.willDelay,
      figures: () => this.#status(),
      info: () => this.#info(),
    });
    this.#connection = this.#makeConnection();
    const samples: SampleSink = { publish: (topic, payload) => this.#publishSample(topic, payload) };
    const createLine = lineFactory({ ...ports, opener: ports.lines });
    const createSamples = samplesFactory({ ...ports, samples, topics: this.#topics });
    const events = this.#ledger;
    const onState = (): void => this.#presence.changed();
    this.#sensors = config.sensors.map(
      (sensor) => new Sensor({ ...ports, config: sensor, createLine, createSamples, events, onState }),
    );
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
    for (const sensor of this.#sensors) sensor.start();
    this.#connection.start();
    this.#renewFigures();
  }

  /** Ends what runs; what is not handed over within the time stays in the ledger for the next start. */
  async stop(why: 'shutdown' | 'reboot' | 'update'): Promise<void> {
    this.#figures?.cancel();
    await Promise.all(this.#sensors.map((sensor) => sensor.stop()));
    await this.#drain();
    await this.#presence.farewell(why);
    await this.#connection.stop();
    this.#sender.detach();
    await this.#ledger.close();
    this.#options.ports.log.info('fieldpost stopped', { why, unsent: this.#ledger.figures.unsent });
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
        markSession: (session) => ledger.markSession(session),
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
      message: (topic, _payload, retained) => this.#onMessage(topic, retained),
      up: (link, session, generation, held) => this.#onUp(link, session, generation, held),
      down: () => {
        this.#sender.detach();
        this.#presence.down();
      },
    };
  }

  #onUp(link: Link, session: string, generation: number, held: string | undefined): void {
    const { log } = this.#options.ports;
    const life = this.#ledger.drainingLife;
    this.#eventsHeld = held;
    if (link.terms.maximumQos < 2) {
      this.#eventsHeld = `the broker offers QoS ${link.terms.maximumQos} at most`;
      log.error('broker offers no QoS 2: events stay in the ledger', { maximum_qos: link.terms.maximumQos });
    }
    this.#presence.up(link, session);
    link.subscribe(this.#topics.downAll, 1).catch((error: unknown) => {
      log.warn('broker refused the subscription to down/#', { reason: reasonOf(error) });
    });
    if (this.#eventsHeld === undefined && life !== undefined) this.#sender.attach(link, generation, life);
  }

  #onMessage(topic: string, retained: boolean): void {
    const response = refuseCommand(this.#topics, topic, retained);
    const link = this.#connection.link;
    if (response === undefined || link === undefined) return;
    link.publish(response.topic, response.payload, { qos: 1, retain: false }).catch((error: unknown) => {
      this.#options.ports.log.debug('response not published', { topic: response.topic, reason: reasonOf(error) });
    });
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

  #renewFigures(): void {
    const { clock, files, log } = this.#options.ports;
    void Promise.all([this.#ledger.oldestUnsentMs(), files.freeBytes()])
      .then(([oldest, free]) => {
        this.#oldestUnsentMs = oldest;
        this.#freeBytes = free;
      })
      .catch((error: unknown) => log.warn('status: the disk gives no figures', { reason: reasonOf(error) }));
    this.#figures = clock.after(FIGURES_MS, () => this.#renewFigures());
  }

  #status(): StatusDocument {
    const { ports, version, certificateNotAfter } = this.#options;
    return statusOf({
      agent: version,
      boot: ports.boot.id,
      clock: ports.clock.quality(),
      connects: this.#connection.connects,
      nowMs: ports.clock.wallMs(),
      ledger: this.#ledger.figures,
      oldestUnsentMs: this.#oldestUnsentMs,
      telemetryDropped: this.#sensors.reduce((sum, sensor) => sum + sensor.counters.samplesDropped, 0),
      certificateNotAfter,
      freeBytes: this.#freeBytes,
      forbiddenStreams: this.#sender.figures.forbidden,
      eventsHeld: this.#eventsHeld,
      absentSensors: this.#sensors.filter((sensor) => sensor.state().state === 'absent').map((sensor) => sensor.id),
    });
  }

  #info(): Readonly<Record<string, unknown>> {
    const { config, version } = this.#options;
    return {
      agent: { name: 'fieldpost', version },
      device: config.device.id,
      sensors: config.sensors.map((sensor) => ({ id: sensor.id })),
      commands: [],
      config: { revision: 0 },
    };
  }
}
