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
  close(): Promise<void>;
}

export interface LineOpener {
  /** Rejects with Fault `line.open`, naming the path and the system's reason. */
  open(spec: PortSpec, listener: LineListener): Promise<LineConnection>;
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

/** The way into the ledger. Never throws; the result says what became of the draft. */
export interface EventSink {
  append(draft: EventDraft): Promise<AppendResult>;
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

/** Why a link is over, or was never up. Tests check `kind`, people read `text`. */
export interface LinkEnd {
  readonly kind: 'closed' | 'refused' | 'unreachable' | 'taken-over' | 'protocol-error' | 'silent' | 'ended';
  readonly text: string;
  /** The broker's reason code, where it gave one. */
  readonly code?: number;
}

export interface LinkListener {
  /** Bytes from the broker, before MQTT.js. Returns what is MQTT.js's of them, in order; the rest was our own layer's. */
  inbound(chunk: Buffer): readonly Buffer[];
  /** The socket takes bytes again after it was full. */
  drained(): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
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
  /** QoS 0 or 1 through MQTT.js. Resolves when sent (QoS 0) or acknowledged (QoS 1). */
  publish(topic: string, payload: Buffer, options: { readonly qos: 0 | 1; readonly retain: boolean }): Promise<void>;
  subscribe(filter: string, qos: 0 | 1): Promise<void>;
  /** DISCONNECT with reason 0, which takes the will back; then closes. */
  end(): Promise<void>;
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
