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
