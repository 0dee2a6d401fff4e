/**
 * `telemetry.pause`, `telemetry.resume`: no samples of a sensor, or of all, for a while; to spare a link that costs by the
 * byte. It ends by itself, and with the agent. Events are never paused.
 */
import * as v from 'valibot';
import type { Clock, Log } from '../ports.ts';
import { listOf, text, time } from './answers.ts';
import { leaseTime, sensorId } from './args.ts';
import { type Command, defineCommand } from './command.ts';
import { Lease } from './lease.ts';
import { find, SENSOR_ERRORS } from './sensors.ts';

const DAY_MS = 86_400_000;

const pausedResult = v.strictObject({
  paused: listOf(
    'The sensors whose telemetry is paused now.',
    v.strictObject({ sensor: text('Id of the sensor.'), until: time('When the pause ends.') }),
  ),
});

export interface TelemetrySource {
  readonly id: string;
  /** `untilMs`: wall time at which it will be ended; undefined ends it. */
  pauseTelemetry(untilMs: number | undefined): void;
}

export interface TelemetrySources {
  readonly clock: Clock;
  readonly log: Log;
  /** The sensors, and the machine itself where it is one. */
  readonly sources: readonly TelemetrySource[];
}

export class TelemetryPauses {
  readonly commands: readonly Command[];
  readonly #leases: ReadonlyMap<TelemetrySource, Lease>;

  constructor(options: TelemetrySources) {
    this.#leases = new Map(options.sources.map((source) => [source, new Lease(options.clock)]));
    this.commands = telemetryCommands(options, this.#leases);
  }

  /** The sources are gone, and no pause of theirs is told any more. */
  stop(): void {
    for (const lease of this.#leases.values()) lease.cancel();
  }
}

function telemetryCommands(
  { log, sources }: TelemetrySources,
  leases: ReadonlyMap<TelemetrySource, Lease>,
): readonly Command[] {
  const chosen = (id: string | undefined): readonly TelemetrySource[] =>
    id === undefined ? sources : [find(sources, id)];
  const paused = (): Readonly<Record<string, unknown>> => ({
    paused: [...leases].flatMap(([{ id }, { untilMs }]) =>
      untilMs === undefined ? [] : [{ sensor: id, until: new Date(untilMs).toISOString() }],
    ),
  });
  return [
    defineCommand({
      name: 'telemetry.pause',
      changes: true,
      summary: 'Publishes no samples of a sensor, or of all, for a while. Events go on.',
      args: v.strictObject({ sensor: v.optional(sensorId), for: leaseTime(DAY_MS) }),
      result: pausedResult,
      errors: SENSOR_ERRORS,
      run: ({ sensor: id, for: ms }) => {
        for (const source of chosen(id)) {
          const untilMs = leases.get(source)?.begin(ms, () => {
            source.pauseTelemetry(undefined);
            log.info('telemetry goes on', { sensor: source.id });
          });
          source.pauseTelemetry(untilMs);
          log.info('telemetry paused by command', { sensor: source.id, for_ms: ms });
        }
        return paused();
      },
    }),
    defineCommand({
      name: 'telemetry.resume',
      changes: true,
      summary: 'Ends pauses of telemetry: of a sensor, or all.',
      args: v.strictObject({ sensor: v.optional(sensorId) }),
      result: pausedResult,
      errors: SENSOR_ERRORS,
      run: ({ sensor: id }) => {
        for (const source of chosen(id)) leases.get(source)?.end();
        return paused();
      },
    }),
  ];
}
