/**
 * Samples as a SenML pack (RFC 8428), in JSON or CBOR, for consumers that read that in place of our own form. The base name
 * is `<device>/<sensor>/`, the base time that of the oldest reading. A device whose clock was never set gives no
 * times but ages: SenML counts what lies below 2^28 seconds from when the pack is read (RFC 8428, 4.5.3). Pure.
 */
import type { SampleStamp } from './envelope.ts';
import { type CborValue, encodeCbor } from './cbor.ts';
import type { SampledReading } from './sample-window.ts';

/** Members in the order in which they are written, with their CBOR labels (RFC 8428, 6). */
const LABELS = { bn: -2, bt: -3, n: 0, u: 1, v: 2, vs: 3, vb: 4, t: 6 } as const;

type SenmlRecord = { readonly [Name in keyof typeof LABELS]?: string | number | boolean };

export function encodeSenmlJson(device: string, readings: readonly SampledReading[], stamp: SampleStamp): Buffer {
  return Buffer.from(JSON.stringify(packOf(device, readings, stamp)), 'utf8');
}

export function encodeSenmlCbor(device: string, readings: readonly SampledReading[], stamp: SampleStamp): Buffer {
  return encodeCbor(packOf(device, readings, stamp).map(labelled));
}

/** `readings` is not empty. What has not its own time is of the base time. */
function packOf(device: string, readings: readonly SampledReading[], stamp: SampleStamp): readonly SenmlRecord[] {
  const oldestMs = Math.min(...readings.map((reading) => reading.atMs));
  const isDated = stamp.clock !== 'unknown';
  const baseMs = Math.round(stamp.wallMs - (stamp.monotonicMs - oldestMs));
  return readings.map(({ name, value, unit, atMs }, index) => {
    const offsetMs = Math.round(atMs - (isDated ? oldestMs : stamp.monotonicMs));
    return {
      ...(index === 0 ? { bn: baseName(device, stamp.sensor) } : {}),
      ...(index === 0 && isDated ? { bt: baseMs / 1000 } : {}),
      n: name,
      ...(unit === undefined ? {} : { u: unit }),
      ...valueOf(value),
      ...(offsetMs === 0 ? {} : { t: offsetMs / 1000 }),
    };
  });
}

/** A name begins with a letter or digit (RFC 8428, 4.5.1); the id of a device need not. */
function baseName(device: string, sensor: string): string {
  return `${/^[A-Za-z0-9]/.test(device) ? '' : 'id:'}${device}/${sensor}/`;
}

function valueOf(value: SampledReading['value']): SenmlRecord {
  if (typeof value === 'number') return { v: value };
  return typeof value === 'string' ? { vs: value } : { vb: value };
}

function labelled(record: SenmlRecord): ReadonlyMap<number, CborValue> {
  const named = Object.entries(record) as [keyof typeof LABELS, string | number | boolean][];
  return new Map(named.map(([name, value]) => [LABELS[name], value]));
}
