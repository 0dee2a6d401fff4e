/**
 * Ready-made sensors: the files of config/sensors/, which are built into the agent. A sensor that names one is merged over
 * it before anything is judged, so its keys are those of any other sensor.
 */
import arduinoCsv from '../../config/sensors/arduino-csv.json' with { type: 'json' };
import arduinoJson from '../../config/sensors/arduino-json.json' with { type: 'json' };
import dsmr4 from '../../config/sensors/dsmr4.json' with { type: 'json' };
import dsmr5 from '../../config/sensors/dsmr5.json' with { type: 'json' };
import iec62056D0 from '../../config/sensors/iec62056-d0.json' with { type: 'json' };
import mbusRaw from '../../config/sensors/mbus-raw.json' with { type: 'json' };
import mhZ19 from '../../config/sensors/mh-z19.json' with { type: 'json' };
import nmeaGps from '../../config/sensors/nmea-gps.json' with { type: 'json' };
import pms5003 from '../../config/sensors/pms5003.json' with { type: 'json' };
import pulseCounter from '../../config/sensors/pulse-counter.json' with { type: 'json' };
import sdm120 from '../../config/sensors/sdm120.json' with { type: 'json' };
import sdm630 from '../../config/sensors/sdm630.json' with { type: 'json' };
import sds011 from '../../config/sensors/sds011.json' with { type: 'json' };
import sicsScale from '../../config/sensors/sics-scale.json' with { type: 'json' };
import sml from '../../config/sensors/sml.json' with { type: 'json' };
import sps30 from '../../config/sensors/sps30.json' with { type: 'json' };

/** A profile's file: what it is for, and keys of a sensor. */
interface ProfileFile {
  readonly about: string;
  readonly sensor: Readonly<Record<string, unknown>>;
}

const PROFILES: Readonly<Record<string, ProfileFile>> = {
  'arduino-csv': arduinoCsv,
  'arduino-json': arduinoJson,
  dsmr4,
  dsmr5,
  'iec62056-d0': iec62056D0,
  'mbus-raw': mbusRaw,
  'mh-z19': mhZ19,
  'nmea-gps': nmeaGps,
  pms5003,
  'pulse-counter': pulseCounter,
  sdm120,
  sdm630,
  sds011,
  'sics-scale': sicsScale,
  sml,
  sps30,
};

export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** Keys of a sensor, without id; undefined when there is no such profile. */
export function findProfile(name: string): Readonly<Record<string, unknown>> | undefined {
  return Object.hasOwn(PROFILES, name) ? PROFILES[name]?.sensor : undefined;
}

/** The file's value with each sensor merged over the profile it names; whatever is wrong with it stays as it is. */
export function withProfiles(config: unknown): unknown {
  if (!isTable(config) || !Array.isArray(config['sensors'])) return config;
  return { ...config, sensors: config['sensors'].map((sensor: unknown) => withProfile(sensor)) };
}

function withProfile(sensor: unknown): unknown {
  const name = isTable(sensor) ? sensor['profile'] : undefined;
  const profile = typeof name === 'string' ? findProfile(name) : undefined;
  if (!isTable(sensor) || profile === undefined) return sensor;
  const port = sensor['port'];
  // A serial server sets the line's speed itself.
  const isTcp = isTable(port) && port['tcp'] !== undefined;
  return merged(isTcp ? { ...profile, port: {} } : profile, sensor);
}

/**
 * As JSON merge patch (RFC 7396) merges: objects key by key, `null` takes a key away, anything else stands in its place. An
 * object of another `type` stands in its place whole: keys of two framings make no framing.
 */
function merged(under: unknown, over: unknown): unknown {
  if (!isTable(under) || !isTable(over)) return over;
  if (over['type'] !== undefined && over['type'] !== under['type']) return over;
  const result = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    if (value === null) result.delete(key);
    else result.set(key, merged(result.get(key), value));
  }
  // Any key of the file is a key of the result, also "__proto__", to be told as unknown.
  return Object.fromEntries(result);
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
