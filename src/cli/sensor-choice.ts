/**
 * Which sensor a sub-command is about: one of device.json, or a ready-made profile on a port given by hand. Whatever is
 * wrong with the choice is a Fault `usage`, with the configuration a Fault `config.invalid`.
 */
import { nearest } from '../config/nearest.ts';
import { parseDeviceValue } from '../config/parse.ts';
import { findProfile, PROFILE_NAMES } from '../config/profiles.ts';
import type { DeviceConfig } from '../config/schema.ts';
import { Fault } from '../fault.ts';
import { loadConfig } from './config-file.ts';

export type Sensor = DeviceConfig['sensors'][number];

/** `port` in the words of device.json; its keys stand over the profile's. */
export function sensorOfProfile(name: string, port: Readonly<Record<string, unknown>>): Sensor {
  if (findProfile(name) === undefined) throw new Fault('usage', unknownText('profile', name, PROFILE_NAMES));
  return sensorOfValue({ id: name, profile: name, port });
}

/** Keys of a sensor, judged as those of any other. */
export function sensorOfValue(sensor: Readonly<Record<string, unknown>>): Sensor {
  const result = parseDeviceValue({
    device: { id: 'none' },
    broker: { urls: ['mqtt://127.0.0.1'] },
    ledger: { dir: '/nonexistent' },
    sensors: [sensor],
  });
  if (!result.ok) {
    const texts = result.problems.map(({ pointer, expected, found }) => {
      return `${pointer.replace('/sensors/0', '')}: must be ${expected}, got ${found}`;
    });
    throw new Fault('usage', texts.join('\n'));
  }
  const [parsed] = result.config.sensors;
  if (parsed === undefined) throw new Error('a configuration without its sensor');
  return parsed;
}

/** Without an id: the only one that there is. */
export function sensorOfConfig(path: string, id: string | undefined): Sensor {
  const loaded = loadConfig(path);
  if (loaded.kind === 'invalid') throw new Fault('config.invalid', loaded.text.trimEnd());
  const { sensors } = loaded.config;
  const ids = sensors.map((sensor) => sensor.id);
  if (id === undefined) {
    const [only, other] = sensors;
    if (only !== undefined && other === undefined) return only;
    throw new Fault('usage', `${path}: a sensor must be named; there ${listText(ids)}`);
  }
  const found = sensors.find((sensor) => sensor.id === id);
  if (found === undefined) throw new Fault('usage', `${path}: ${unknownText('sensor', id, ids)}`);
  return found;
}

export function unknownText(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return `there is no ${what} ${JSON.stringify(name)}${hint} (there ${listText(known)})`;
}

function listText(names: readonly string[]): string {
  return names.length === 0 ? 'are none' : `${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}

/** Options of the sub-commands that take bytes from elsewhere. */
export const CHOICE_OPTIONS = {
  profile: { type: 'string' },
  config: { type: 'string' },
  sensor: { type: 'string' },
} as const;

interface ChoiceValues {
  readonly profile?: string | undefined;
  readonly config?: string | undefined;
  readonly sensor?: string | undefined;
}

/** Either a profile, or a sensor of a configuration. The port is not opened. */
export function chosenSensor({ profile, config, sensor }: ChoiceValues): Sensor {
  if (profile === undefined) {
    if (config === undefined && sensor === undefined) {
      throw new Fault('usage', 'must be told how to decode: --profile P, or --config F --sensor S');
    }
    return sensorOfConfig(config ?? 'device.json', sensor);
  }
  if (config !== undefined || sensor !== undefined) {
    throw new Fault('usage', 'either --profile P, or --config F --sensor S');
  }
  return sensorOfProfile(profile, { path: '/dev/null' });
}
