/** What `up/info` says: who this device is, what it measures in which units, what it can be asked. Pure. */
import type { DeviceConfig } from '../config/schema.ts';
import type { EventSigner, Hardware } from '../ports.ts';

export interface InfoParts {
  readonly version: string;
  readonly boot: string;
  readonly config: DeviceConfig;
  /** Revision, phase, and what is shadowed. */
  readonly configReport: Readonly<Record<string, unknown>>;
  /** sha256 of the configuration in force, base64url. */
  readonly configHash: string;
  readonly hardware: Hardware;
  /** Names of the commands that would be run. */
  readonly commands: readonly string[];
  /** JSON Schema of their arguments, by name. */
  readonly requests: Readonly<Record<string, unknown>>;
  readonly signer: EventSigner | undefined;
}

export function infoOf(parts: InfoParts): Readonly<Record<string, unknown>> {
  const { config, hardware } = parts;
  return {
    agent: { name: 'fieldpost', version: parts.version, node: hardware.node },
    device: config.device.id,
    hardware: {
      model: hardware.model,
      serial: hardware.serial,
      arch: hardware.arch,
      os: hardware.os,
      kernel: hardware.kernel,
      hostname: hardware.hostname,
    },
    boot: parts.boot,
    sensors: [
      ...config.sensors.map(sensorInfo),
      ...(config.host === undefined ? [] : [{ id: 'host', metrics: config.host.metrics }]),
    ],
    commands: parts.commands,
    requests: parts.requests,
    signing: signingOf(parts.signer),
    schedule: config.schedule.map(({ cron, timezone, command }) => ({ cron, timezone, command })),
    config: { ...parts.configReport, hash: parts.configHash },
  };
}

/** The public part of the key that signs events; null when they are not signed. */
function signingOf(signer: EventSigner | undefined): Readonly<Record<string, string>> | null {
  if (signer === undefined) return null;
  return { key: signer.keyId, algorithm: signer.algorithm, public: signer.publicKey };
}

type SensorConfig = DeviceConfig['sensors'][number];

function sensorInfo(sensor: SensorConfig): Readonly<Record<string, unknown>> {
  const telemetry: Record<string, string | null> = {};
  const events = [];
  for (const route of sensor.routes) {
    if (route.kind === 'telemetry') Object.assign(telemetry, unitsOf(route.telemetry.fields));
    else events.push({ stream: route.event.stream, type: route.event.type, fields: unitsOf(route.event.fields) });
  }
  return { id: sensor.id, telemetry, events };
}

/** Unit by field; null where there is none. */
function unitsOf(
  fields: Readonly<Record<string, { readonly unit?: string }>>,
): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.entries(fields).map(([name, { unit }]) => [name, unit ?? null]));
}
