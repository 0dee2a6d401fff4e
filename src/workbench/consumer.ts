/**
 * A consumer as a billing system would be one: a persistent session, `up/event/#` at QoS 2, every delivery recorded
 * before anything else is done with it, and, if asked to, a receipt of what it has. Beside it, what is only watched: status
 * and telemetry at QoS 0 and 1.
 */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type IClientOptions, MqttClient } from 'mqtt';
import { Deliveries, type ReceivedEvent, type Verdict } from './deliveries.ts';
import { ReceiptBook } from './receipt-book.ts';
import { until } from './wait.ts';

const READY_DEADLINE_MS = 10_000;
const STATUSES_MAX = 10_000;
/** Receipts are cumulative: at most one in this time. */
const RECEIPT_MS = 200;

export interface ConsumerTls {
  /** PEM texts. */
  readonly ca: Buffer | string;
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
}

export interface ConsumerOptions {
  readonly port: number;
  readonly protocol: 4 | 5;
  readonly clientId: string;
  /** `fp/v1/<device>` */
  readonly root: string;
  readonly tls?: ConsumerTls;
  /** Also watch status and telemetry. */
  readonly watch?: boolean;
  /** Also say what has come and what is missing, on `down/receipt`. Default: false. */
  readonly receipts?: boolean;
  readonly onEvent?: (verdict: Verdict, event: ReceivedEvent | undefined, payload: Buffer) => void;
}

export interface StatusSeen {
  readonly state: unknown;
  readonly why: unknown;
  readonly session: unknown;
  readonly retained: boolean;
}

export class Consumer {
  readonly deliveries = new Deliveries();
  readonly statuses: StatusSeen[] = [];
  readonly #options: ConsumerOptions;
  readonly #client: MqttClient;
  readonly #book = new ReceiptBook();
  #telling: NodeJS.Timeout | undefined;
  #askedRepeats = 0;
  #receipts = 0;
  #telemetry = 0;
  #connects = 0;
  #ready = false;
  #refusal: string | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#client = new MqttClient(() => openSocket(options), clientOptions(options));
  }

  get telemetry(): number {
    return this.#telemetry;
  }

  get connects(): number {
    return this.#connects;
  }

  /** Receipts that were published. */
  get receipts(): number {
    return this.#receipts;
  }

  /** Receipts in which it asked for events that it misses. */
  get asked(): number {
    return this.#book.asked;
  }

  /** Repeats of events that one of its receipts had wanted. */
  get askedRepeats(): number {
    return this.#askedRepeats;
  }

  /** Connects and subscribes; resolves when the broker has granted the subscription. */
  async start(): Promise<void> {
    this.#client.on('connect', () => {
      this.#connects += 1;
      this.#book.connected();
      this.#subscribe();
    });
    // The client's own reconnecting does what is needed; a broker that is being restarted makes many of these.
    this.#client.on('error', (error) => {
      this.#refusal = error.message;
    });
    this.#client.on('message', (topic, payload, packet) => this.#take(topic, payload, packet.retain));
    if (this.#options.receipts === true) this.#telling = setInterval(() => this.#tell(), RECEIPT_MS);
    this.#client.connect();
    await until(
      () => this.#ready,
      () => `the consumer's subscription${this.#refusal === undefined ? '' : ` (${this.#refusal})`}`,
      READY_DEADLINE_MS,
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#telling);
    await this.#client.endAsync(true);
  }

  #subscribe(): void {
    const { root, watch = false, receipts = false } = this.#options;
    const topics = {
      [`${root}/up/event/#`]: { qos: 2 as const },
      ...(watch || receipts ? { [`${root}/up/status`]: { qos: 1 as const } } : {}),
      ...(watch ? { [`${root}/up/telemetry/#`]: { qos: 0 as const } } : {}),
    };
    this.#client.subscribe(topics, (error, granted) => {
      const refused = granted?.find(({ qos }) => qos > 2);
      if (error) this.#refusal = error.message;
      else if (refused !== undefined) this.#refusal = `not allowed to read ${refused.topic}`;
      else this.#ready = true;
    });
  }

  #take(topic: string, payload: Buffer, retained: boolean): void {
    const meaning = topic.slice(this.#options.root.length + 1);
    if (meaning.startsWith('up/event/')) {
      const { verdict, event, hash } = this.deliveries.take(payload);
      if (verdict === 'new' && event !== undefined) this.#book.take(event, hash ?? '', performance.now());
      if (verdict === 'repeat' && event !== undefined && this.#book.hasAskedFor(event.epoch, event.seq)) {
        this.#askedRepeats += 1;
      }
      this.#options.onEvent?.(verdict, event, payload);
    } else if (meaning.startsWith('up/telemetry/')) {
      this.#telemetry += 1;
    } else if (meaning === 'up/status') {
      const { ledger, ...status } = readStatus(payload);
      if (ledger !== undefined) this.#book.status(ledger.epoch, ledger.last, performance.now());
      if (this.statuses.length < STATUSES_MAX) this.statuses.push({ ...status, retained });
    }
  }

  #tell(): void {
    // What is published without a connection would be queued, and come late behind newer ones.
    const receipt = this.#client.connected ? this.#book.next(performance.now()) : undefined;
    if (receipt === undefined) return;
    this.#receipts += 1;
    this.#client.publish(`${this.#options.root}/down/receipt`, receipt, { qos: 1, retain: true }, () => undefined);
  }
}

function openSocket({ port, tls }: ConsumerOptions): ReturnType<typeof connectTcp> {
  const at = { port, host: '127.0.0.1' };
  // Certificates of the workbench name 127.0.0.1; a server name must not be an address.
  return tls === undefined ? connectTcp(at) : connectTls({ ...at, ...tls });
}

function clientOptions({ protocol, clientId }: ConsumerOptions): IClientOptions {
  return {
    protocolId: 'MQTT',
    protocolVersion: protocol,
    clientId,
    clean: false,
    keepalive: 10,
    manualConnect: true,
    reconnectPeriod: 100,
    connectTimeout: 5000,
    resubscribe: false,
    reconnectOnConnackError: true,
    ...(protocol === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
  };
}

interface ReadStatus extends Omit<StatusSeen, 'retained'> {
  readonly ledger: { readonly epoch: string; readonly last: number } | undefined;
}

function readStatus(payload: Buffer): ReadStatus {
  try {
    const read = JSON.parse(payload.toString('utf8')) as Partial<Record<string, unknown>> | null;
    const { epoch, last } = (read?.['ledger'] ?? {}) as Partial<Record<string, unknown>>;
    const ledger = typeof epoch === 'string' && typeof last === 'number' && last > 0 ? { epoch, last } : undefined;
    return { state: read?.['state'], why: read?.['why'], session: read?.['session'], ledger };
  } catch {
    return { state: undefined, why: 'unreadable', session: undefined, ledger: undefined };
  }
}
