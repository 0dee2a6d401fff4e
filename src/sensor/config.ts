/**
 * What the sensor part needs of a sensor's configuration, in its own words: `DeviceConfig['sensors'][number]` fits it.
 * Durations are milliseconds.
 */
import type { PortSpec } from '../ports.ts';
import type { LineFraming } from '../serial/line-framer.ts';

export type Literal = string | number | boolean;

export interface TelemetryField {
  readonly from: string;
  readonly unit?: string | undefined;
  /** After scaling. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Decimal text. */
  readonly scale?: string | undefined;
}

export interface TelemetryRoute {
  /** Time between two samples; 0 sends each reading. */
  readonly every: number;
  readonly reduce: 'last' | 'mean';
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
  readonly fields: Readonly<Record<string, EventRouteField>>;
}

export interface RouteConfig {
  readonly when?: Readonly<Record<string, Literal>> | undefined;
  readonly telemetry?: TelemetryRoute | undefined;
  readonly event?: EventRoute | undefined;
  readonly answer?: { readonly write: string } | undefined;
}

export type DecodeConfig =
  | { readonly type: 'json' }
  | { readonly type: 'csv'; readonly columns: readonly string[]; readonly separator: string }
  | { readonly type: 'regex'; readonly pattern: string };

export interface SensorConfig {
  readonly id: string;
  readonly port: PortSpec;
  readonly framing: LineFraming;
  readonly decode: DecodeConfig;
  readonly routes: readonly RouteConfig[];
}
