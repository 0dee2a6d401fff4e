/**
 * What the sensor part needs of a sensor's configuration, in its own words: `DeviceConfig['sensors'][number]` fits it.
 * Durations are milliseconds, decimals are text.
 */
import type { PortSpec } from '../ports-line.ts';
import type { Check, Framing } from '../serial/framing.ts';

export type Literal = string | number | boolean;

export interface TelemetryField {
  readonly from: string;
  readonly unit?: string | undefined;
  /** Name of the decoded value that holds the unit. */
  readonly unitFrom?: string | undefined;
  /** After scaling. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Decimal text. */
  readonly scale?: string | undefined;
  /** A register that only rises. */
  readonly monotonic?: boolean | undefined;
  /** The most that a monotonic register may rise from one reading to the next, decimal text. */
  readonly stepMax?: string | undefined;
}

export type Reduction = 'last' | 'mean' | 'min' | 'max' | 'count';

/** Our own JSON, or SenML (RFC 8428). */
export type SampleEncoding = 'json' | 'senml-json' | 'senml-cbor';

export interface TelemetryRoute {
  /** Time between two samples; 0 sends each reading. */
  readonly every: number;
  /** With several, `temp` goes out as `temp.min`, `temp.max` and so on. */
  readonly reduce: Reduction | readonly Reduction[];
  /** Fields whose change, by at least this much (decimal text; "0": any), sends a sample at once. */
  readonly onChange?: Readonly<Record<string, string>> | undefined;
  /** Least time between two samples that `onChange` or `every: 0s` sends. */
  readonly gap?: number | undefined;
  /** Default: `json`. */
  readonly encoding?: SampleEncoding | undefined;
  readonly fields: Readonly<Record<string, TelemetryField>>;
}

export interface EventRouteField extends TelemetryField {
  readonly as: 'decimal' | 'integer' | 'string' | 'boolean';
}

export interface EventRoute {
  readonly stream: string;
  readonly type: string;
  /** Names of the decoded values that hold the sensor's own numbering. */
  readonly dedupe?: { readonly epoch: string; readonly seq: string } | undefined;
  /** One event in each such interval of the wall clock's day: the first reading in it. */
  readonly every?: number | undefined;
  /** An event only when this field has changed by at least `by` (decimal text; "0": any) since the last one. */
  readonly onChange?: { readonly field: string; readonly by: string } | undefined;
  /** An event when this field has stayed within `within` (decimal text) for `frames` readings in a row; the next when it has moved away and is stable again. */
  readonly stable?: { readonly field: string; readonly within: string; readonly frames: number } | undefined;
  readonly fields: Readonly<Record<string, EventRouteField>>;
}

export interface RouteConfig {
  readonly when?: Readonly<Record<string, Literal>> | undefined;
  readonly telemetry?: TelemetryRoute | undefined;
  readonly event?: EventRoute | undefined;
  readonly answer?: { readonly write: string } | undefined;
}

/**
 * How bytes become a number or text. Byte orders: `be`, `le`, and, for two registers that stand the other way round,
 * `cdab` (words swapped) and `badc` (bytes of each word swapped). `bcd` is packed, two digits a byte.
 */
export const STRUCT_TYPES = [
  ...(['u8', 'i8', 'u16be', 'u16le', 'i16be', 'i16le', 'u24be', 'u24le', 'i24be', 'i24le'] as const),
  ...(['u32be', 'u32le', 'u32cdab', 'u32badc', 'i32be', 'i32le', 'i32cdab', 'i32badc'] as const),
  ...(['u64be', 'u64le', 'u64cdab', 'i64be', 'i64le', 'i64cdab'] as const),
  ...(['f32be', 'f32le', 'f32cdab', 'f32badc', 'f64be', 'f64le', 'f64cdab'] as const),
  ...(['bcdbe', 'bcdle', 'ascii', 'hex'] as const),
] as const;
export type StructType = (typeof STRUCT_TYPES)[number];

export interface StructField {
  /** First byte; negative counts from the end. */
  readonly at: number;
  readonly type: StructType;
  /** Bytes, of bcd, ascii and hex. */
  readonly length?: number | undefined;
  /** Of an unsigned number: only these bits, counted from the least significant. */
  readonly bits?: { readonly from: number; readonly count: number } | undefined;
}

export type DecodeConfig =
  | { readonly type: 'json' }
  | { readonly type: 'csv'; readonly columns: readonly string[]; readonly separator: string }
  | { readonly type: 'regex'; readonly pattern: string }
  | { readonly type: 'struct'; readonly fields: Readonly<Record<string, StructField>> }
  | { readonly type: 'obis' }
  | { readonly type: 'nmea' }
  | { readonly type: 'sml' }
  | { readonly type: 'raw' };

/** When something is asked: after each `every` milliseconds, or by the clock. */
export interface PollTime {
  readonly every?: number | undefined;
  readonly cron?: string | undefined;
  readonly timezone?: string | undefined;
}

/** One step of a conversation; texts of bytes. In the order: settle, write, expect, baud rate. */
export interface Step {
  /** Milliseconds to wait first. */
  readonly wait?: number | undefined;
  readonly write?: string | undefined;
  /** Bytes that must come within `timeout`. */
  readonly expect?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  /** From here on, bits per second. */
  readonly baudRate?: number | undefined;
}

export interface PollConfig extends PollTime {
  /** The request. */
  readonly write: string;
  /** Milliseconds within which a good frame must come. */
  readonly timeout: number;
  /** Times that a request without an answer is repeated at once. */
  readonly retries: number;
  /** IEC 62056-21 mode C: the meter names its speed, both change to it, and back after the read-out. */
  readonly handshake?: 'iec62056-21' | undefined;
  /** With `handshake`: never faster than this. */
  readonly baudRateMax?: number | undefined;
}

export interface InitConfig {
  /** Milliseconds after the opening in which the device starts up: what it sends is discarded, nothing is written. */
  readonly settle: number;
  readonly steps: readonly Step[];
}

export interface ModbusField {
  /** Register (or coil) address as on the wire, from 0. */
  readonly at: number;
  /** `bit` of functions 1 and 2. */
  readonly type: StructType | 'bit';
  readonly length?: number | undefined;
  readonly bits?: { readonly from: number; readonly count: number } | undefined;
}

export interface ModbusPoll extends PollTime {
  /** Value of `poll` in the records of this request. Default: its number, from 0. */
  readonly name?: string | undefined;
  /** Function: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers. */
  readonly fc: 1 | 2 | 3 | 4;
  readonly at: number;
  readonly count: number;
  readonly fields: Readonly<Record<string, ModbusField>>;
}

/** A Modbus RTU server. Sensors on the same port share the bus. */
export interface ModbusConfig {
  readonly unit: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly retries: number;
  /** Milliseconds of silence before a request; default by the baud rate: 3.5 characters, at least 1.75 ms. */
  readonly gap?: number | undefined;
  readonly polls: readonly ModbusPoll[];
}

/** What may stand in place of a name of a template: one of these texts, or a number within bounds. */
export interface WriteValue {
  readonly oneOf?: readonly string[] | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Digits behind the point. */
  readonly decimals?: number | undefined;
}

/** What a command may write. */
export interface WriteTemplate {
  /** Text of bytes, with `{name}` for values. */
  readonly write: string;
  readonly values: Readonly<Record<string, WriteValue>>;
  readonly expect?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

export interface SensorConfig {
  readonly id: string;
  readonly port: PortSpec;
  readonly framing: Framing;
  readonly check?: Check | undefined;
  readonly decode: DecodeConfig;
  readonly init?: InitConfig | undefined;
  readonly poll?: PollConfig | undefined;
  /** In place of framing, check, decode, init and poll. */
  readonly modbus?: ModbusConfig | undefined;
  /** Without a good frame for this long the sensor is stale, milliseconds. Default five minutes, or the time of two polls. */
  readonly staleAfter?: number | undefined;
  /** Without a good frame for this long the line is closed and opened again, milliseconds. */
  readonly watchdog?: number | undefined;
  /** What commands may write, by name. */
  readonly writes?: Readonly<Record<string, WriteTemplate>> | undefined;
  readonly routes: readonly RouteConfig[];
}
