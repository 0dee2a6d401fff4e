/** `sensor.list`, `sensor.read`: how the sensors do and what they said last. `sensor.restart`: closes a line and opens it again. */
import * as v from 'valibot';
import { sensorId } from './args.ts';
import { type Command, defineCommand } from './command.ts';

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

/** What the configuration says of a sensor, by its id: its port and profile. */
export type DescribeSensor = (sensor: string) => Readonly<Record<string, unknown>>;

export function sensorsCommands(sensors: readonly CommandedSensor[], describe: DescribeSensor): readonly Command[] {
  return [
    defineCommand({
      name: 'sensor.list',
      changes: false,
      summary: 'Lists the sensors: state, why, since when, last good reading, port, profile.',
      args: v.strictObject({}),
      run: () => ({ sensors: sensors.map((sensor) => rowOf(sensor, describe)) }),
    }),
    defineCommand({
      name: 'sensor.read',
      changes: false,
      summary: 'Answers with the newest value of each name that the sensor sends, and its counters.',
      args: v.strictObject({ sensor: sensorId }),
      run: ({ sensor: id }) => {
        const sensor = find(sensors, id);
        const { counters } = sensor.state();
        return { ...rowOf(sensor, describe), values: sensor.lastValues(), counters };
      },
    }),
    defineCommand({
      name: 'sensor.restart',
      changes: true,
      summary: "Closes the sensor's line and opens it again.",
      args: v.strictObject({ sensor: sensorId }),
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
  throw new Error(`there is no sensor ${id}; ${known}`);
}

function rowOf(sensor: CommandedSensor, describe: DescribeSensor): Readonly<Record<string, unknown>> {
  const { counters: _, ...state } = sensor.state();
  return { id: sensor.id, ...state, ...describe(sensor.id) };
}
