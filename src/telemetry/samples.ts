/**
 * Telemetry of one sensor: each route's readings are held until its time, reduced, and published once. What the sink does
 * not take is dropped and counted: telemetry may be lost, and never waits in the way of an event.
 */
import type { Topics } from '../broker/topics.ts';
import type { Clock, SampleSink, Timer } from '../ports.ts';
import type { TelemetryRoute } from '../sensor/config.ts';
import type { Reading } from '../sensor/route.ts';
import type { CreateSamples, SampleIntake } from '../sensor/sensor.ts';
import { encodeAs } from './encoding.ts';
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
  readonly route: TelemetryRoute;
  readonly window: SampleWindow;
  /** For the beat of `every`. */
  timer: Timer | undefined;
  /** For what waits until `gap` has passed. */
  gapTimer: Timer | undefined;
  /** When a sample was last due, on the monotonic clock: the beat is kept, whenever readings come. */
  dueMs: number | undefined;
  sentMs: number | undefined;
  /** Values of the fields of `onChange` in the last sample that the sink took. */
  readonly sent: Map<string, Reading['value']>;
  /** The same of the readings since. */
  readonly latest: Map<string, Reading['value']>;
}

class SensorSamples implements SampleIntake {
  readonly #ports: SamplesPorts;
  readonly #sensor: string;
  readonly #windows: readonly (RouteWindow | undefined)[];
  readonly #counters = { published: 0, dropped: 0 };
  #stopped = false;
  #paused = false;

  constructor(ports: SamplesPorts, sensor: string, routes: readonly (TelemetryRoute | undefined)[]) {
    this.#ports = ports;
    this.#sensor = sensor;
    this.#windows = routes.map((route) => (route === undefined ? undefined : windowOf(route)));
  }

  /** Readings published, and readings that the sink did not take. */
  get counters(): { readonly published: number; readonly dropped: number } {
    return { ...this.#counters };
  }

  take(route: number, readings: readonly Reading[]): void {
    const window = this.#windows[route];
    if (window === undefined || this.#stopped || this.#paused) return;
    const nowMs = this.#ports.clock.monotonicMs();
    window.window.add(readings, nowMs);
    if (window.route.every === 0 || hasChanged(window, readings)) this.#publishAfterGap(window, nowMs);
    if (window.route.every > 0 && window.timer === undefined) this.#arm(window, nowMs);
  }

  stop(): void {
    this.#flush();
    this.#stopped = true;
  }

  pause(isPaused: boolean): void {
    if (isPaused && !this.#paused) this.#flush();
    this.#paused = isPaused;
  }

  #flush(): void {
    for (const window of this.#windows) {
      if (window === undefined) continue;
      window.timer?.cancel();
      window.timer = undefined;
      window.gapTimer?.cancel();
      window.gapTimer = undefined;
      this.#publish(window);
    }
  }

  #arm(window: RouteWindow, nowMs: number): void {
    const { every } = window.route;
    const lastDueMs = window.dueMs ?? nowMs;
    const beats = Math.floor((nowMs - lastDueMs) / every) + 1;
    window.dueMs = lastDueMs + beats * every;
    window.timer = this.#ports.clock.after(window.dueMs - nowMs, () => {
      window.timer = undefined;
      this.#publish(window);
    });
  }

  #publishAfterGap(window: RouteWindow, nowMs: number): void {
    const waitMs = window.sentMs === undefined ? 0 : window.sentMs + (window.route.gap ?? 0) - nowMs;
    if (waitMs <= 0) return this.#publish(window);
    window.gapTimer ??= this.#ports.clock.after(waitMs, () => {
      window.gapTimer = undefined;
      this.#publish(window);
    });
  }

  #publish(window: RouteWindow): void {
    const readings = window.window.take();
    if (readings.length === 0) return;
    const { clock, samples, topics } = this.#ports;
    window.gapTimer?.cancel();
    window.gapTimer = undefined;
    window.sentMs = clock.monotonicMs();
    const { payload, contentType } = encodeAs(window.route.encoding ?? 'json', topics.device, readings, {
      sensor: this.#sensor,
      wallMs: clock.wallMs(),
      monotonicMs: window.sentMs,
      clock: clock.quality(),
    });
    if (!samples.publish(topics.telemetry(this.#sensor), payload, contentType)) {
      this.#counters.dropped += readings.length;
      return;
    }
    this.#counters.published += readings.length;
    for (const [field, value] of window.latest) window.sent.set(field, value);
  }
}

function windowOf(route: TelemetryRoute): RouteWindow {
  return {
    route,
    window: new SampleWindow(route.reduce),
    timer: undefined,
    gapTimer: undefined,
    dueMs: undefined,
    sentMs: undefined,
    sent: new Map(),
    latest: new Map(),
  };
}

/** Whether a field of `onChange` is now far enough from what was sent last; what was never sent has changed. */
function hasChanged({ route, sent, latest }: RouteWindow, readings: readonly Reading[]): boolean {
  if (route.onChange === undefined) return false;
  let changed = false;
  for (const { name, value } of readings) {
    const by = route.onChange[name];
    if (by === undefined) continue;
    latest.set(name, value);
    if (isChange(sent.get(name), value, Number(by))) changed = true;
  }
  return changed;
}

/** Numbers are those of the machine: a millionth of the dead band is let pass, so that 0.3 is 0.2 away from 0.1. */
function isChange(before: Reading['value'] | undefined, value: Reading['value'], by: number): boolean {
  if (typeof before !== 'number' || typeof value !== 'number') return before !== value;
  return before !== value && Math.abs(value - before) >= by * (1 - 1e-6);
}
