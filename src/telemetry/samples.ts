/**
 * Telemetry of one sensor: each route's readings are held until its time, reduced, and published once. What the sink does
 * not take is dropped and counted: telemetry may be lost, and never waits in the way of an event.
 */
import type { Topics } from '../broker/topics.ts';
import type { Clock, SampleSink, Timer } from '../ports.ts';
import type { TelemetryRoute } from '../sensor/config.ts';
import type { Reading } from '../sensor/route.ts';
import type { CreateSamples, SampleIntake } from '../sensor/sensor.ts';
import { encodeSamples } from './envelope.ts';
import { SampleWindow } from './sample-window.ts';

export interface SamplesPorts {
  readonly clock: Clock;
  readonly samples: SampleSink;
  readonly topics: Topics;
}

/** Makes the sample intakes of all sensors from the same ports. */
export function samplesFactory(ports: SamplesPorts): CreateSamples {
  return (sensor, routes) => new SensorSamples(ports, sensor, routes);
}

interface RouteWindow {
  readonly everyMs: number;
  readonly window: SampleWindow;
  timer: Timer | undefined;
  /** When a sample was last due, on the monotonic clock: the beat is kept, whenever readings come. */
  dueMs: number | undefined;
}

class SensorSamples implements SampleIntake {
  readonly #ports: SamplesPorts;
  readonly #sensor: string;
  readonly #windows: readonly (RouteWindow | undefined)[];
  readonly #counters = { published: 0, dropped: 0 };
  #stopped = false;

  constructor(ports: SamplesPorts, sensor: string, routes: readonly (TelemetryRoute | undefined)[]) {
    this.#ports = ports;
    this.#sensor = sensor;
    this.#windows = routes.map((route) =>
      route === undefined
        ? undefined
        : { everyMs: route.every, window: new SampleWindow(route.reduce), timer: undefined, dueMs: undefined },
    );
  }

  /** Readings published, and readings that the sink did not take. */
  get counters(): { readonly published: number; readonly dropped: number } {
    return { ...this.#counters };
  }

  take(route: number, readings: readonly Reading[]): void {
    const window = this.#windows[route];
    if (window === undefined || this.#stopped) return;
    const nowMs = this.#ports.clock.monotonicMs();
    window.window.add(readings, nowMs);
    if (window.everyMs === 0) this.#publish(window);
    else if (window.timer === undefined) this.#arm(window, nowMs);
  }

  stop(): void {
    for (const window of this.#windows) {
      window?.timer?.cancel();
      if (window !== undefined) this.#publish(window);
    }
    this.#stopped = true;
  }

  #arm(window: RouteWindow, nowMs: number): void {
    const lastDueMs = window.dueMs ?? nowMs;
    const beats = Math.floor((nowMs - lastDueMs) / window.everyMs) + 1;
    window.dueMs = lastDueMs + beats * window.everyMs;
    window.timer = this.#ports.clock.after(window.dueMs - nowMs, () => {
      window.timer = undefined;
      this.#publish(window);
    });
  }

  #publish(window: RouteWindow): void {
    const readings = window.window.take();
    if (readings.length === 0) return;
    const { clock, samples, topics } = this.#ports;
    const payload = encodeSamples(readings, {
      sensor: this.#sensor,
      wallMs: clock.wallMs(),
      monotonicMs: clock.monotonicMs(),
      clock: clock.quality(),
    });
    if (samples.publish(topics.telemetry(this.#sensor), payload)) this.#counters.published += readings.length;
    else this.#counters.dropped += readings.length;
  }
}
