/**
 * The ports: every touch of the world that the rest of the agent may make, each as a small interface. `src/platform/`
 * implements them on node:* and npm packages; everything else imports only the types here. A fake of a port, where a
 * test uses one, passes the same contract suite as the real adapter.
 */

// ---- time and chance ------------------------------------------------------------------------------------------------

/** `synced`: the kernel says the clock is disciplined; `set`: plausible; `unknown`: before this software was built. */
export type ClockQuality = 'synced' | 'set' | 'unknown';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time, milliseconds since 1970. For time stamps only: it jumps. */
  wallMs(): number;
  /** Milliseconds that never jump. For every time-out, back-off and age. */
  monotonicMs(): number;
  quality(): ClockQuality;
  /** Runs once after `ms` on the monotonic clock. */
  after(ms: number, run: () => void): Timer;
  /** Runs in the next turn of the event loop, after what is already waiting in this one. */
  soon(run: () => void): void;
}

/** This boot of the machine: with it a later anchor can date what was recorded before the clock was set. */
export interface Boot {
  readonly id: string;
  /** Milliseconds since the machine started. */
  uptimeMs(): number;
}

export interface Chance {
  /** Uniform in [0, 1). */
  unit(): number;
  bytes(count: number): Buffer;
}

// ---- log ------------------------------------------------------------------------------------------------------------

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One plain sentence, then key=value. No secrets, no payloads; what repeats is counted, not repeated. */
export interface Log {
  error(sentence: string, fields?: LogFields): void;
  warn(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  debug(sentence: string, fields?: LogFields): void;
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogLine {
  readonly level: LogLevel;
  readonly sentence: string;
  readonly fields: LogFields | undefined;
}

/** What can be changed of the log while it is written. */
export interface LogControl {
  /** The least serious level that is written. */
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
  /** From now on lines of this level and more serious ones come to `take` too, written or not. */
  tap(level: LogLevel, take: (line: LogLine) => void): Timer;
}

// ---- serial lines ---------------------------------------------------------------------------------------------------

/** Where a line is. `kind: 'tcp'` is a raw TCP serial server such as ser2net. */
export type PortSpec =
  | {
      readonly kind: 'tty';
      readonly path: string;
      readonly baudRate: number;
      readonly dataBits: 5 | 6 | 7 | 8;
      readonly parity: 'none' | 'even' | 'odd';
      readonly stopBits: 1 | 1.5 | 2;
    }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface LineListener {
  /** Bytes as they came. The chunk is the listener's to keep. */
  bytes(chunk: Buffer): void;
  /** Called exactly once per opened connection, whoever ended it. Nothing follows. */
  closed(reason: string): void;
}

/** One opening of a line. Never reopened: a new opening is a new object, so a late write can not reach another device. */
export interface LineConnection {
  /** Resolves when the system has taken the bytes; rejects with Fault `line.closed` once this connection is gone. */
  write(bytes: Buffer): Promise<void>;
  /** Once what was written has left. Rejects with Fault `line.closed`, or `line.open` where the line has no baud rate (TCP). */
  setBaudRate(baudRate: number): Promise<void>;
  /** Programs that have this line open too, as far as they can be seen; bytes that they take do not come here. */
  others?(): Promise<readonly LineUser[]>;
  close(): Promise<void>;
}

/** Another program on a line. */
export interface LineUser {
  readonly pid: number;
  readonly program: string;
}

export interface LineOpener {
  /** Rejects with Fault `line.open`, naming the path and the system's reason. */
  open(spec: PortSpec, listener: LineListener): Promise<LineConnection>;
  /** Runs once when a device comes to be where the line is, or another than now; undefined: that can not be told. */
  appears?(spec: PortSpec, run: () => void): Timer | undefined;
}

// ---- events ---------------------------------------------------------------------------------------------------------

/** A decoded value on its way into an event. `value` is text for decimals (money is never a binary float). */
export interface EventField {
  readonly value: string | number | boolean;
  readonly unit?: string;
  readonly quality: 'good' | 'suspect';
}

export interface EventDraft {
  readonly sensor: string;
  readonly stream: string;
  readonly type: string;
  readonly data: Readonly<Record<string, EventField>>;
  /** The sensor's own numbering, where the route's `dedupe` names it. `seq` is a whole number as decimal text. */
  readonly source?: { readonly epoch: string; readonly seq: string };
  /** The frame as it came off the line. */
  readonly raw?: Buffer;
}

/**
 * - `accepted`: in the ledger and on disk; the sensor may be answered.
 * - `repeat`: this source number was accepted before, with the same content; answer again, there is no second event.
 * - `conflict`: this source number was accepted before with other content; report, do not answer.
 * - `refused`: not accepted (disk full, disk error, draft out of bounds); do not answer.
 */
export type AppendResult =
  | { readonly kind: 'accepted'; readonly seq: number }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string };

/** Signs events with a key of this device's own. Evidence of where an event comes from, not an approval of a meter. */
export interface EventSigner {
  readonly algorithm: SignatureAlgorithm;
  /** Names the key in events: the first 16 letters of the base64url sha256 of `publicKey`'s bytes. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in DER, base64. */
  readonly publicKey: string;
  /** Base64url without padding: Ed25519 (RFC 8032), or ECDSA P-256 with SHA-256 as r and s of 32 bytes each. */
  sign(bytes: Buffer): string;
}

export const SIGNATURE_ALGORITHMS = ['ed25519', 'ecdsa-p256'] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** The way into the ledger. Never throws; the result says what became of the draft. */
export interface EventSink {
  append(draft: EventDraft): Promise<AppendResult>;
}

// ---- the host -------------------------------------------------------------------------------------------------------

export const HOST_METRICS = ['cpu', 'memory', 'disk', 'temperature', 'network'] as const;
export type HostMetric = (typeof HOST_METRICS)[number];

/** `unit` in SenML words (RFC 8428): B, Cel, / (a ratio). */
export interface HostReading {
  readonly name: string;
  readonly value: number;
  readonly unit: string | undefined;
}

export interface HostMetrics {
  /** Readings of what this machine can tell; what it can not is left out. Rejects only when nothing can be told at all. */
  read(metrics: readonly HostMetric[]): Promise<readonly HostReading[]>;
}

/** What this machine is, as far as it says; for the inventory, never a credential. */
export interface Hardware {
  readonly model: string | undefined;
  readonly serial: string | undefined;
  readonly arch: string;
  readonly os: string;
  readonly kernel: string;
  readonly node: string;
  readonly hostname: string;
}

/** This process itself. */
export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly uptimeMs: number;
  /** How late timers were, while it was measured, milliseconds. */
  readonly loopDelayMeanMs: number;
  readonly loopDelayMaxMs: number;
}

/** What a certificate says. Times are ISO 8601. */
export interface CertificateText {
  /** `authority`: one that the broker's certificate may come from. `chain`: what stands between the device's and its authority. */
  readonly role: 'device' | 'chain' | 'authority';
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** sha256 of the certificate, pairs of hexadecimal digits with colons, as openssl prints it. */
  readonly fingerprint: string;
}

// ---- schedules ------------------------------------------------------------------------------------------------------

export interface CronTimer extends Timer {
  /** When it runs next, wall milliseconds; undefined: never again, or that can not be told. */
  nextMs?(): number | undefined;
}

export interface Cron {
  /** Runs at each time that the expression names, on the wall clock of `timezone` (IANA; undefined: the machine's). */
  schedule(expression: string, timezone: string | undefined, run: () => void): Promise<CronTimer>;
}

// ---- small state ----------------------------------------------------------------------------------------------------

/** One small JSON document that survives a power cut. */
export interface StateDocument<Value> {
  readonly value: Value;
  /** Resolves when the new value is on stable storage. Rejects with Fault `state.disk`; the value in memory is then new all the same. */
  write(value: Value): Promise<void>;
}

export interface StateStore {
  /**
   * Reads the document; `initial` when there is none. `parse` gives undefined for what it does not know. Never rejects:
   * what can not be read is kept aside, told in the log, and `initial` counts.
   */
  open<Value>(
    name: string,
    parse: (found: unknown) => Value | undefined,
    initial: Value,
  ): Promise<StateDocument<Value>>;
}

// ---- telemetry ------------------------------------------------------------------------------------------------------

/** QoS 0, may be lost. False: not sent (offline or the socket is full); the caller counts it as dropped. */
export interface SampleSink {
  publish(topic: string, payload: Buffer): boolean;
}

// ---- the broker -----------------------------------------------------------------------------------------------------

/** MQTT 5 or 3.1.1, by the number in CONNECT. */
export type Protocol = 4 | 5;

export interface LinkTarget {
  /** `mqtts://host:port` or `mqtt://host:port` */
  readonly url: string;
  readonly protocol: Protocol;
  readonly clientIdentifier: string;
  readonly cleanStart: boolean;
  readonly keepAliveMs: number;
  readonly sessionExpiryMs: number;
  readonly connectTimeoutMs: number;
  readonly will: { readonly topic: string; readonly payload: Buffer; readonly delayMs: number };
}

/**
 * What ended a link or kept it from coming up, as a stable word: what a person has to mend, each in another place. It is
 * in the log, in the status and in status.json (docs/OPERATIONS.md lists them).
 */
export type LinkWord =
  | 'tls.other-ca'
  | 'tls.wrong-name'
  | 'tls.expired'
  | 'tls.not-yet-valid'
  | 'tls.revoked'
  | 'tls.no-crl'
  | 'tls.not-tls'
  | 'tls.version'
  | 'tls.other'
  | 'identity.missing'
  | 'identity.unknown-ca'
  | 'identity.revoked'
  | 'identity.expired'
  | 'identity.not-yet-valid'
  | 'identity.rejected'
  | 'identity.files'
  | 'login.password'
  | 'login.forbidden'
  | 'login.client-identifier'
  | 'broker.busy'
  | 'broker.protocol'
  | 'broker.stopping'
  | 'broker.refused'
  | 'broker.taken-over'
  | 'broker.silent'
  | 'broker.closed'
  | 'network.refused'
  | 'network.unreachable'
  | 'network.name'
  | 'network.timeout'
  | 'network.lost'
  | 'own.ended';

/** Why a link is over, or was never up. Tests and the retry check `word`, people read `text`. */
export interface LinkEnd {
  readonly word: LinkWord;
  readonly text: string;
  /** The broker's reason code, where it gave one. */
  readonly code?: number;
}

/** A message as it came down. The properties are MQTT 5's; over 3.1.1 there are none. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** What is left of the message expiry interval. */
  readonly expirySeconds?: number;
}

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** MQTT 5 only; left out over 3.1.1. */
  readonly correlationData?: Buffer;
}

export interface LinkListener {
  /** Bytes from the broker, before MQTT.js. Returns what is MQTT.js's of them, in order; the rest was our own layer's. */
  inbound(chunk: Buffer): readonly Buffer[];
  /** The socket takes bytes again after it was full. */
  drained(): void;
  message(message: InboundMessage): void;
  /** Exactly once, last. */
  ended(end: LinkEnd): void;
}

/** What the broker said in CONNACK; the standard's defaults where it said nothing. */
export interface LinkTerms {
  readonly sessionPresent: boolean;
  readonly receiveMaximum: number;
  /** Bytes; Infinity: no bound said. */
  readonly maximumPacketSize: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  /** Seconds that the broker keeps the session, where it changed what we asked. */
  readonly sessionExpirySeconds: number | undefined;
}

export interface Link {
  readonly terms: LinkTerms;
  /** The socket holds more than it wants to: `drained` follows. */
  readonly full: boolean;
  /** Own packets, in one piece. */
  write(packets: Buffer): void;
  /** The TLS session was resumed from the one before; undefined without TLS. */
  readonly resumed: boolean | undefined;
  /**
   * QoS 0 or 1 through MQTT.js. Resolves when sent (QoS 0) or acknowledged (QoS 1). Rejects with Fault `broker.forbidden`
   * when an access rule refuses it, with `broker.refused` for another reason code, with the link's error otherwise.
   */
  publish(topic: string, payload: Buffer, options: PublishOptions): Promise<void>;
  /** Rejects as `publish` does. */
  subscribe(filter: string, qos: 0 | 1): Promise<void>;
  /**
   * True: there was such a subscription; false: there was none (0x11); undefined: the broker can not say (MQTT 3.1.1).
   * Rejects as `publish` does.
   */
  unsubscribe(filter: string): Promise<boolean | undefined>;
  /** DISCONNECT with reason 0, which takes the will back; then closes. `end`: what `ended` is told; default `own.ended`. */
  end(end?: LinkEnd): Promise<void>;
  /** Closes without DISCONNECT: the broker will publish the will. */
  destroy(end: LinkEnd): void;
}

/** `refused`: the link never came up. */
export type LinkOpening =
  | { readonly kind: 'up'; readonly link: Link }
  | { readonly kind: 'refused'; readonly end: LinkEnd };

export interface LinkOpener {
  /** Never rejects. After `refused` the listener hears nothing more. */
  open(target: LinkTarget, listener: LinkListener): Promise<LinkOpening>;
}
