/** `sensor.list`, `sensor.read`: how the sensors do and what they said last. `sensor.restart`: closes a line and opens it again. */
import * as v from 'valibot';
import { count, document, listOf, text, time } from './answers.ts';
import { sensorId } from './args.ts';
import { type Command, CommandFailure, defineCommand } from './command.ts';

/** What these commands work on. */
export interface CommandedSensor {
  readonly id: string;
  state(): {
    readonly state: string;
    readonly why: string;
    readonly since: string;
    readonly last_good: string | undefined;
    readonly telemetry_paused_until?: string;
    readonly counters: object;
  };
  lastValues(): readonly unknown[];
  restart(): Promise<void>;
}

/** Of commands that name a sensor. */
export const SENSOR_ERRORS = { 'sensor.unknown': 'The device has no such sensor; the message names those it has.' };

const rowEntries = {
  id: text('Id of the sensor.'),
  state: text('`ok`, `stale`, `error` or `absent`.'),
  why: text('Why it is in that state.'),
  since: time('Since when.'),
  last_good: v.optional(time('Newest good reading; left out before the first.')),
  telemetry_paused_until: v.optional(time('Until when its telemetry is paused.')),
  port: v.optional(document('Its port, in the keys of device.json.')),
  profile: v.optional(text('Its profile.')),
};

/** What the configuration says of a sensor, by its id: its port and profile. */
export type DescribeSensor = (sensor: string) => Readonly<Record<string, unknown>>;

export function sensorsCommands(sensors: readonly CommandedSensor[], describe: DescribeSensor): readonly Command[] {
  return [
    defineCommand({
      name: 'sensor.list',
      changes: false,
      summary: 'Lists the sensors: state, why, since when, last good reading, port, profile.',
      args: v.strictObject({}),
      result: v.strictObject({ sensors: listOf('In the order of device.json.', v.strictObject(rowEntries)) }),
      run: () => ({ sensors: sensors.map((sensor) => rowOf(sensor, describe)) }),
    }),
    defineCommand({
      name: 'sensor.read',
      changes: false,
      summary: 'Answers with the newest value of each name that the sensor sends, and its counters.',
      args: v.strictObject({ sensor: sensorId }),
      result: v.strictObject({
        ...rowEntries,
        values: listOf(
          'The newest of each decoded name, at most 64.',
          v.strictObject({
            name: text('Name that the decoder gives.'),
            kind: text('What it is: a number, a text, a truth value.'),
            text: text('As the sensor wrote it, at most 64 letters.'),
            at: time('When it was read.'),
            age_ms: count('Age, milliseconds.'),
          }),
        ),
        counters: document('As on `up/sensor/<sensor>`.'),
      }),
      errors: SENSOR_ERRORS,
      run: ({ sensor: id }) => {
        const sensor = find(sensors, id);
        const { counters } = sensor.state();
        return { ...rowOf(sensor, describe), values: sensor.lastValues(), counters };
      },
    }),
    defineCommand({
      name: 'sensor.restart',
      changes: true,
      summary: "Closes the sensor's line and opens it again. On a shared Modbus bus the sensor leaves and joins.",
      args: v.strictObject({ sensor: sensorId }),
      result: v.strictObject({ sensor: text('Its id.') }),
      errors: SENSOR_ERRORS,
      run: async ({ sensor: id }) => {
        await find(sensors, id).restart();
        return { sensor: id };
      },
    }),
  ];
}

/** Throws, naming those that there are. */
export function find<Item extends { readonly id: string }>(items: readonly Item[], id: string): Item {
  const found = items.find((item) => item.id === id);
  if (found !== undefined) return found;
  const known = items.length === 0 ? 'this device has none' : `there are ${items.map((item) => item.id).join(', ')}`;
  throw new CommandFailure('sensor.unknown', `there is no sensor ${id}; ${known}`);
}

function rowOf(sensor: CommandedSensor, describe: DescribeSensor): Readonly<Record<string, unknown>> {
  const { counters: _, ...state } = sensor.state();
  return { id: sensor.id, ...state, ...describe(sensor.id) };
}
