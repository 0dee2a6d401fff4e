/** The machine itself as a sensor named "host": figures at fixed times, published once, never again with a new time. */
import type { Topics } from '../broker/topics.ts';
import { reasonOf } from '../fault.ts';
import type { Clock, HostMetric, HostMetrics, Log, SampleSink, Timer } from '../ports.ts';
import type { SampleEncoding } from '../sensor/config.ts';
import { encodeAs } from './encoding.ts';

export const HOST_SENSOR = 'host';

export interface HostSensorOptions {
  readonly config: {
    readonly every: number;
    readonly metrics: readonly HostMetric[];
    readonly encoding?: SampleEncoding;
  };
  readonly clock: Clock;
  readonly log: Log;
  readonly topics: Topics;
  readonly host: HostMetrics;
  readonly samples: SampleSink;
}

export class HostSensor {
  readonly #options: HostSensorOptions;
  readonly #counters = { published: 0, dropped: 0, failures: 0 };
  #timer: Timer | undefined;
  #stopped = false;
  #paused = false;

  constructor(options: HostSensorOptions) {
    this.#options = options;
  }

  /** Readings published, and those that the sink did not take. */
  get counters(): { readonly published: number; readonly dropped: number } {
    return { ...this.#counters };
  }

  start(): void {
    // The first reading waits its time too: a start has better things to do than to load a large library.
    this.#timer = this.#options.clock.after(this.#options.config.every, () => {
      this.#read()
        .catch((error: unknown) => {
          if (this.#counters.failures === 0) this.#options.log.warn('host: no figures', { reason: reasonOf(error) });
          this.#counters.failures += 1;
        })
        .finally(() => {
          if (!this.#stopped) this.start();
        });
    });
  }

  readonly id = HOST_SENSOR;

  /** `untilMs`: undefined ends it. */
  pauseTelemetry(untilMs: number | undefined): void {
    this.#paused = untilMs !== undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #read(): Promise<void> {
    const { config, clock, topics, host, samples } = this.#options;
    if (this.#paused) return;
    const found = await host.read(config.metrics);
    if (this.#stopped || this.#paused || found.length === 0) return;
    const atMs = clock.monotonicMs();
    const readings = found.map((reading) => ({ ...reading, atMs }));
    const stamp = { sensor: HOST_SENSOR, wallMs: clock.wallMs(), monotonicMs: atMs, clock: clock.quality() };
    const { payload, contentType } = encodeAs(config.encoding ?? 'json', topics.device, readings, stamp);
    if (samples.publish(topics.telemetry(HOST_SENSOR), payload, contentType)) {
      this.#counters.published += readings.length;
    } else this.#counters.dropped += readings.length;
  }
}
