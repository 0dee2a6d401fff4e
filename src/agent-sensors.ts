/**
 * The sensors of the agent, put together: lines, samples, what they remember, and, for those on one Modbus line, their bus.
 * Part of the composition root.
 */
import type { Topics } from './broker/topics.ts';
import type { DeviceConfig } from './config/schema.ts';
import type { Chance, Clock, Cron, EventSink, Log, SampleSink, StateStore, Timer, Work } from './ports.ts';
import type { LineOpener, OwedAnswers } from './ports-line.ts';
import type { RememberedEvents } from './sensor/event-rules.ts';
import { SensorMemory } from './sensor/memory.ts';
import { type EventText, recallEvents, recallsEvents } from './sensor/recall.ts';
import { Sensor } from './sensor/sensor.ts';
import { LineTaps } from './serial/line-taps.ts';
import { type CreateLine, type Line, lineFactory } from './serial/line.ts';
import { lineWorks } from './serial/line-work.ts';
import { modbusBuses } from './serial/modbus-bus.ts';
import { samplesFactory } from './telemetry/samples.ts';

/** More than come in the minute that the document of what is remembered may be late. */
const RECALLED_EVENTS = 512;

export interface AgentSensorsOptions {
  readonly config: DeviceConfig;
  readonly ports: {
    readonly clock: Clock;
    readonly chance: Chance;
    readonly log: Log;
    readonly lines: LineOpener;
    readonly owed: OwedAnswers;
    readonly state: StateStore;
    readonly cron: Cron;
    readonly parseJson: (text: string) => unknown;
  };
  readonly topics: Topics;
  readonly samples: SampleSink;
  readonly events: EventSink;
  readonly onState: (sensor: string) => void;
}

export class AgentSensors {
  readonly #memory: SensorMemory;
  readonly #lines: { readonly sensor: string; readonly line: Line }[] = [];
  readonly #taps: LineTaps;
  readonly #config: DeviceConfig;
  readonly all: readonly Sensor[];

  constructor(options: AgentSensorsOptions) {
    const { config, ports, events, samples, topics, onState } = options;
    const ids = config.sensors.map(({ id }) => id);
    this.#memory = new SensorMemory(ports, ids);
    this.#config = config;
    this.#taps = new LineTaps(ports.lines);
    const makeLine = lineFactory({ ...ports, opener: this.#taps });
    const createLine: CreateLine = (spec) => {
      const line = makeLine(spec);
      this.#lines.push({ sensor: spec.sensor, line });
      return line;
    };
    const createSamples = samplesFactory({ ...ports, samples, topics });
    const busOf = modbusBuses({ ...ports, createLine });
    this.all = config.sensors.map(
      (sensor) =>
        new Sensor({
          ...ports,
          config: sensor,
          createLine,
          busOf,
          createSamples,
          events,
          memory: this.#memoryOf(sensor.id),
          onState: () => onState(sensor.id),
        }),
    );
  }

  /** `newest`: the texts of so many of the ledger's newest events, oldest first; asked for where a rule needs them. */
  async start(newest: (count: number) => Promise<readonly Buffer[]>): Promise<void> {
    await this.#memory.open();
    const recalling = this.#config.sensors.filter(recallsEvents);
    const texts = recalling.length === 0 ? [] : await newest(RECALLED_EVENTS);
    const events = texts.map((text) => JSON.parse(text.toString('utf8')) as EventText);
    for (const sensor of recalling) recallEvents(sensor, events, this.#memoryOf(sensor.id));
    for (const sensor of this.all) sensor.start();
  }

  #memoryOf(sensor: string): RememberedEvents {
    return {
      of: (route) => this.#memory.of(sensor, route),
      set: (route, remembered) => this.#memory.set(sensor, route, remembered),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((sensor) => sensor.stop()));
    await this.#memory.stop();
  }

  /** What the lines have to get on with. */
  get works(): readonly Work[] {
    return lineWorks(this.#lines.map(({ sensor, line }) => ({ sensor, state: line.state })));
  }

  /** Copies of what comes over the sensor's line, whoever else is on it; nothing where there is no such sensor. */
  tap(sensor: string, take: (chunk: Buffer) => void): Timer {
    const port = this.#config.sensors.find(({ id }) => id === sensor)?.port;
    return port === undefined ? { cancel: () => undefined } : this.#taps.tap(port, take);
  }

  get samplesDropped(): number {
    return this.all.reduce((sum, sensor) => sum + sensor.counters.samplesDropped, 0);
  }
}
