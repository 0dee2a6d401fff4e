/**
 * What rides on the link, put together: who sends events, who takes receipts, presence, the subscriptions, and the connection
 * that all of them share. Part of the composition root.
 */
import { Connection, type Traffic } from './broker/connection.ts';
import { Presence, type SensorDocument, type StatusFigures, type Why } from './broker/presence.ts';
import { Subscriptions } from './broker/subscriptions.ts';
import type { Topics } from './broker/topics.ts';
import { ulid } from './broker/ulid.ts';
import type { DeviceConfig } from './config/schema.ts';
import { type Guarantee, guaranteeOf } from './delivery/guarantee.ts';
import { Receipts } from './delivery/receipts.ts';
import { Sender } from './delivery/sender.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Chance, Clock, Log, StateStore } from './ports.ts';
import type { InboundMessage, Link, LinkOpener } from './ports-broker.ts';

/** Time for events in flight to be handed over before a link is left, milliseconds. What is not, stays in the ledger. */
const DRAIN_MS = 3000;
const DRAIN_LOOK_MS = 20;

export interface AgentLinkOptions {
  readonly config: DeviceConfig;
  readonly ports: {
    readonly clock: Clock;
    readonly chance: Chance;
    readonly log: Log;
    readonly state: StateStore;
    readonly broker: LinkOpener;
  };
  readonly topics: Topics;
  readonly ledger: Ledger;
  readonly status: () => StatusFigures;
  readonly info: () => Readonly<Record<string, unknown>>;
  readonly sensors: () => readonly SensorDocument[];
  readonly onCommand: (message: InboundMessage) => void;
  /** A broker has shown a certificate that holds. */
  readonly onSecureLink: () => void;
  readonly onUp: () => void;
  /** The link brings commands. */
  readonly onReady: () => void;
  readonly onDown: () => void;
  /** What the connection says of itself has changed: it came up, or an attempt failed. */
  readonly onConnection: () => void;
  /** Why no events may leave and no receipts count, or undefined. */
  readonly held: () => string | undefined;
  /** The figures of a part changed in a way that matters. */
  readonly onChange: () => void;
}

export class AgentLink {
  readonly #options: AgentLinkOptions;
  readonly sender: Sender;
  readonly receipts: Receipts;
  readonly presence: Presence;
  readonly connection: Connection;
  readonly #subscriptions: Subscriptions;
  #eventsHeld: string | undefined;
  #guarantee: Guarantee | undefined;

  constructor(options: AgentLinkOptions) {
    this.#options = options;
    const { config, ports, topics, ledger, onChange } = options;
    this.sender = new Sender({
      ...ports,
      ledger,
      topics,
      protocol: config.broker.protocol,
      windowMax: config.broker.window,
      onSessionOver: (why) => this.connection.restart(why),
      onSessionLost: (why) => this.connection.abandonSession(why),
      onChange,
    });
    this.receipts = new Receipts({
      ...ports,
      ledger,
      settles: config.ledger.receipts,
      onTaken: (ordinal, through) => this.sender.receiptTaken(ordinal, through),
      onChange,
    });
    this.presence = new Presence({
      ...ports,
      topics,
      willDelayMs: config.broker.willDelay,
      heartbeatMs: config.broker.heartbeat,
      figures: options.status,
      info: options.info,
      sensors: options.sensors,
    });
    this.#subscriptions = new Subscriptions({ ...ports, topics, onChange, onReady: () => options.onReady() });
    this.connection = this.#makeConnection();
  }

  /** Undefined: there is none. */
  get link(): Link | undefined {
    return this.connection.link;
  }

  /** Why no events leave on this link, or undefined. */
  get eventsHeld(): string | undefined {
    return this.#eventsHeld;
  }

  /** Undefined before the first link. */
  get guarantee(): Guarantee | undefined {
    return this.#guarantee;
  }

  /** Our own topics that an access rule refuses, below the root. */
  get forbiddenTopics(): readonly string[] {
    const forbidden = this.presence.forbidden.map((topic) => this.#options.topics.below(topic));
    return [...forbidden, ...this.#subscriptions.refused];
  }

  /** QoS 0: not sent while there is no link, or while its socket is full of what matters more. */
  publishSample(topic: string, payload: Buffer, contentType?: string): boolean {
    const { link } = this;
    if (link === undefined || link.full) return false;
    const content = contentType === undefined ? {} : { contentType };
    link.publish(topic, payload, { qos: 0, retain: false, ...content }).catch(() => undefined);
    return true;
  }

  /** What held events back is over: the link is made anew, with a session of its own. */
  release(why: string): void {
    this.connection.restart(why);
  }

  /** What is in flight drains for a while, then the farewell, then the link ends. */
  async stop(why: Why): Promise<void> {
    await this.#drain();
    await this.presence.farewell(why);
    await this.connection.stop();
    this.sender.detach();
  }

  #makeConnection(): Connection {
    const { config, ports, topics, ledger } = this.#options;
    const { broker, device } = config;
    return new Connection({
      ...ports,
      opener: ports.broker,
      store: {
        get session() {
          return ledger.session;
        },
        get life() {
          return ledger.drainingLife ?? { ordinal: 0, epoch: '' };
        },
        markSession: (session, forgotten) => ledger.markSession(session, forgotten),
      },
      traffic: this.#traffic(),
      urls: broker.urls,
      returnAfterMs: broker.returnAfter,
      topicRoot: topics.root,
      target: {
        protocol: broker.protocol,
        clientIdentifier: device.id,
        keepAliveMs: broker.keepAlive,
        sessionExpiryMs: broker.sessionExpiry,
        connectTimeoutMs: broker.connectTimeout,
      },
      held: () => this.#options.held(),
      newSession: () => ulid(ports.clock.wallMs(), ports.chance),
    });
  }

  #traffic(): Traffic {
    return {
      opening: (session) => {
        this.sender.reset();
        return this.presence.will(session);
      },
      inbound: (chunk) => this.sender.inbound(chunk),
      drained: () => this.sender.drained(),
      message: (message) => this.#onMessage(message),
      up: (link, session, mark, held) => this.#onUp(link, session, mark, held),
      down: () => {
        this.sender.detach();
        this.#subscriptions.down();
        this.presence.down();
        this.#options.onDown();
      },
      quiesce: () => {
        this.sender.finish();
        return this.#wait(() => this.sender.figures.inFlight === 0);
      },
      failed: () => this.#options.onConnection(),
    };
  }

  #onUp(link: Link, session: string, { generation, life }: { generation: number; life: number }, held?: string): void {
    const { log } = this.#options.ports;
    const { broker, ledger } = this.#options.config;
    this.#guarantee = guaranteeOf(link.terms, { ...broker, receipts: ledger.receipts });
    this.#eventsHeld = held ?? this.#guarantee.held;
    const { word, why } = this.#guarantee;
    if (this.#eventsHeld === undefined) log.info('guarantee on this broker', { guarantee: word, why });
    else if (this.#eventsHeld === this.#options.held()) log.info('events are held back: configuration on trial');
    else log.error('events are held back in the ledger', { guarantee: 'held', reason: this.#eventsHeld });
    this.presence.up(link, session);
    this.#subscriptions.up(link);
    // Not over a plain connection, nor with a pre-shared key.
    if (link.resumed !== undefined && broker.tls?.psk === undefined) this.#options.onSecureLink();
    this.#options.onUp();
    if (this.#eventsHeld === undefined) this.sender.attach(link, generation, life);
    this.#options.onConnection();
  }

  #onMessage(message: InboundMessage): void {
    if (message.topic === this.#options.topics.receipt) this.#onReceipt(message.payload);
    else this.#options.onCommand(message);
  }

  /** Of a broker on trial a receipt proves nothing; ours is retained, and comes again with the next link. */
  #onReceipt(payload: Buffer): void {
    if (this.#options.held() === undefined) this.receipts.take(payload);
  }

  #drain(): Promise<void> {
    return this.#wait(() => this.#eventsHeld !== undefined || this.#options.ledger.figures.unsent === 0);
  }

  /** Not for longer than a while, and only as long as there is a link. */
  async #wait(isDone: () => boolean): Promise<void> {
    const { clock } = this.#options.ports;
    const until = clock.monotonicMs() + DRAIN_MS;
    while (!isDone() && this.link !== undefined && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => {
        clock.after(DRAIN_LOOK_MS, resolve);
      });
    }
  }
}
