/**
 * The ports: every touch of the world that the rest of the agent may make, each as a small interface. `src/platform/`
 * implements them on node:* and npm packages; everything else imports only the types here. A fake of a port, where a
 * test uses one, passes the same contract suite as the real adapter.
 */

// ---- time and chance ------------------------------------------------------------------------------------------------

/**
 * `synced`: the time service says so; `set`: plausible; `unknown`: it can not be true (before this software was written, or
 * before a time that this device has lived, or decades ahead).
 */
export type ClockQuality = 'synced' | 'set' | 'unknown';

export interface Timer {
  cancel(): void;
}

export interface RawClock {
  /** Wall time, milliseconds since 1970. For time stamps only: it jumps. */
  wallMs(): number;
  /** Milliseconds that never jump. For every time-out, back-off and age. */
  monotonicMs(): number;
  /** Runs once after `ms` on the monotonic clock. */
  after(ms: number, run: () => void): Timer;
  /** Runs in the next turn of the event loop, after what is already waiting in this one. */
  soon(run: () => void): void;
}

export interface Clock extends RawClock {
  /** What `wallMs` is worth at this moment. */
  quality(): ClockQuality;
}

export interface FlooredClock extends Clock {
  /** It is this late at least, wall milliseconds. */
  readonly floorMs: number;
}

/** What keeps the wall clock true, as far as this machine says. */
export interface TimeService {
  /** `steps`: how often the clock was set so far; what was said before the newest of them does not count. Never rejects. */
  isSynchronised(steps: number): Promise<boolean>;
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

// ---- the service ------------------------------------------------------------------------------------------------------

/**
 * Who started this process and watches over it: systemd, or nobody. Nothing here waits or throws; what can not be said now
 * is said with the next word.
 */
export interface Supervisor {
  /** Ends this process when `alive` is not said for so long, milliseconds; undefined: it does not watch. */
  readonly patienceMs: number | undefined;
  /** Whether anybody listens. */
  readonly listens: boolean;
  /** The start is done, or the reload. */
  ready(): void;
  reloading(): void;
  stopping(): void;
  /** A start that goes on, but is not done, may take so much longer from now, milliseconds. */
  extend(ms: number): void;
  alive(): void;
  /** One sentence for a person. */
  status(sentence: string): void;
}

/** Something the agent has to get on with. */
export interface Work {
  /** In sentences: `the ledger`. */
  readonly name: string;
  /** Changes whenever it has got on, well or not; undefined: there is nothing to do now. */
  readonly mark: string | undefined;
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
  /**
   * Readings of what this machine can tell; what it can not, or not in its time, is left out. Always settles. Rejects only
   * when nothing can be told at all.
   */
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

/** What the doctor found out about one part of the data path. */
export interface DoctorPart {
  readonly part: string;
  readonly findings: readonly {
    readonly name: string;
    readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
    readonly found: string;
    readonly todo?: string;
  }[];
}

/** The way to ask whoever may for a reboot of the machine. Each throws when the request can not be touched. */
export interface RebootRequest {
  /** `id`: of the command that asks, for the log of whoever takes it. */
  make(id: string): void;
  /** Nobody has taken it yet. */
  isThere(): boolean;
  withdraw(): void;
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

/** A certificate that came by command and fits a key of this device, both on disk. Times are ISO 8601. */
export interface StagedPair {
  /** Where the platform has them. */
  readonly files: { readonly cert: string; readonly key: string };
  readonly subject: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** As openssl prints it. */
  readonly fingerprint: string;
  /** sha256 of the file of the certificate and its chain, hexadecimal. */
  readonly digest: string;
}

/** Keys that are made on the device, and the certificates that come back for them. */
export interface DevicePairs {
  /** What is installed, and by the command of which id; undefined: nothing was. Throws when it can not be read. */
  readonly installed: { readonly command: string; readonly pair: StagedPair } | undefined;
  /** Makes a key. `csr` is PEM, `key` names the key. Throws Fault `state.disk`. */
  request(): { readonly csr: string; readonly key: string };
  /** Puts a certificate beside its key. Throws Fault `certificate.invalid` or `state.disk`. */
  stage(pem: string): StagedPair;
  /** From now on connections are made with it, until `promote`, `drop`, or the end of the process. */
  try(pair: StagedPair): void;
  /** It is used for good; the one before is kept. `command`: id of the command. Throws Fault `state.disk`. */
  promote(pair: StagedPair, command: string): void;
  /** Back to what was used before. */
  drop(pair: StagedPair): void;
}

// ---- schedules ------------------------------------------------------------------------------------------------------

export interface CronTimer extends Timer {
  /** When it runs next, wall milliseconds; undefined: never again, or that can not be told. */
  nextMs?(): number | undefined;
  /** How far runs are apart now, milliseconds: until the next, or from it to the one after, what is longer; undefined: as above. */
  gapMs?(): number | undefined;
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
  /**
   * Undefined: `value` is what is there. Else why the disk does not give it, for now: `initial` counts, and a write would put
   * that in its place. What can be read at last counts from then on. Never rejects.
   */
  readAgain?(): Promise<string | undefined>;
}

export interface StateStore {
  /**
   * Reads the document; `initial` when there is none. `parse` gives undefined for what it does not know. Never rejects:
   * what is damaged is kept aside, what can not be read stays where it is; either is told in the log, and `initial` counts.
   */
  open<Value>(
    name: string,
    parse: (found: unknown) => Value | undefined,
    initial: Value,
  ): Promise<StateDocument<Value>>;
}

// ---- signatures of commands -----------------------------------------------------------------------------------------

/** Why a signature does not count, for programs. */
export type SignatureFault =
  | 'signature.malformed'
  | 'signature.algorithm'
  | 'signature.wrong'
  | 'signature.namespace'
  | 'signature.signer'
  | 'signature.not-yet-valid'
  | 'signature.expired'
  | 'signature.signers';

export interface Signer {
  /** As the file of who may sign has it. */
  readonly principal: string;
  /** The fingerprint of the key. */
  readonly key: string;
}

/** `message` is for whoever sent it: it tells nothing that they could not know. */
export type SignatureVerdict =
  | { readonly kind: 'good'; readonly signer: Signer }
  | { readonly kind: 'bad'; readonly code: SignatureFault; readonly message: string };

export interface SignatureJudge {
  /** Whether somebody who may has signed these bytes as a command. Never throws. */
  judge(text: Buffer, signature: string): SignatureVerdict;
}

// ---- telemetry ------------------------------------------------------------------------------------------------------

/** QoS 0, may be lost. False: not sent (offline or the socket is full); the caller counts it as dropped. */
export interface SampleSink {
  /** `contentType`: MQTT 5 tells it; over 3.1.1 it is left out. */
  publish(topic: string, payload: Buffer, contentType?: string): boolean;
}
