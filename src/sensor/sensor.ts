/**
 * One sensor: its line's frames are decoded and go by its routes to telemetry or to the ledger, and what the ledger has
 * accepted is answered. Here the parts are tied together; what each decides stands in its own file.
 */
import type { Clock, EventSink, Log, Timer } from '../ports.ts';
import type { CreateLine, Line, LineCounters } from '../serial/line.ts';
import type { SensorConfig, TelemetryRoute } from './config.ts';
import type { ParseJson } from './decode-json.ts';
import { decoderOf, passesWhenTorn } from './decoder.ts';
import { EventIntake, type IntakeCounters } from './event-intake.ts';
import { type HealthInput, judgeHealth, NEW_HEALTH, nextHealth, type SensorCondition } from './health.ts';
import type { Decoder } from './record.ts';
import { Reports } from './reports.ts';
import { type Outcome, planFrame, type Reading, type Route, routesOf } from './route.ts';

/** Where a sensor's readings go: bounded, may lose them, counts what it loses. */
export interface SampleIntake {
  take(route: number, readings: readonly Reading[]): void;
  /** Sends what waits for its time, and takes nothing more. */
  stop(): void;
  readonly counters: { readonly published: number; readonly dropped: number };
}

/** `routes`: by their place in the configuration; undefined for those that are no telemetry. */
export type CreateSamples = (sensor: string, routes: readonly (TelemetryRoute | undefined)[]) => SampleIntake;

export interface SensorCounters extends LineCounters, Readonly<IntakeCounters> {
  /** Frames that could not be decoded. */
  readonly invalid: number;
  /** Frames that no route took. */
  readonly unrouted: number;
  /** Telemetry values dropped because they were out of range. */
  readonly outOfRange: number;
  /** Telemetry values dropped because they were not what their field says. */
  readonly unusable: number;
  /** Frames for an event that lacked a field, a number or what the answer needs. */
  readonly noEvent: number;
  readonly samples: number;
  readonly samplesDropped: number;
}

/** As on `up/sensor/<sensor>`. Times are ISO 8601. */
export interface SensorState {
  readonly state: SensorCondition;
  readonly why: string;
  readonly since: string;
  readonly last_good: string | undefined;
  readonly counters: SensorCounters;
}

export interface SensorOptions {
  readonly config: SensorConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly parseJson: ParseJson;
  readonly createLine: CreateLine;
  readonly createSamples: CreateSamples;
  readonly events: EventSink;
  /** Without a good frame for this long the sensor is stale. Default five minutes. */
  readonly staleAfterMs?: number;
  /** Called when `state().state` or its `why` has changed. */
  readonly onState?: () => void;
}

const STALE_AFTER_MS = 300_000;
/** Time at a stop for events that wait for the disk, milliseconds. */
const STOP_MS = 2000;
/** Bytes of a bad frame that the log may show. */
const SAMPLE_BYTES = 64;

export class Sensor {
  readonly #options: SensorOptions;
  readonly #id: string;
  readonly #staleAfterMs: number;
  readonly #decode: Decoder;
  readonly #routes: readonly Route[];
  readonly #reports: Reports;
  readonly #line: Line;
  readonly #samples: SampleIntake;
  readonly #intake: EventIntake;
  readonly #counters = { invalid: 0, unrouted: 0, outOfRange: 0, unusable: 0, noEvent: 0 };
  #health = NEW_HEALTH;
  #said: { readonly state: SensorCondition; readonly why: string; readonly sinceMs: number };
  #lastGoodWallMs: number | undefined;
  #stale: Timer | undefined;
  #stopping = false;

  constructor(options: SensorOptions) {
    const { config, clock, log, parseJson, createLine, createSamples, events } = options;
    this.#options = options;
    this.#id = config.id;
    this.#staleAfterMs = options.staleAfterMs ?? STALE_AFTER_MS;
    this.#decode = decoderOf(config.decode, parseJson);
    this.#routes = routesOf(config);
    this.#reports = new Reports({ sensor: config.id, clock, log });
    this.#line = createLine({
      sensor: config.id,
      port: config.port,
      framing: config.framing,
      dropsTorn: passesWhenTorn(config.decode),
      events: {
        up: () => this.#note({ kind: 'up', atMs: clock.monotonicMs() }),
        down: (_, reason) => this.#note({ kind: 'down', why: reason }),
        frame: (generation, bytes) => this.#frame(generation, bytes),
        discarded: (_, count) => this.#note({ kind: 'bad', bytes: count }),
      },
    });
    this.#samples = createSamples(
      config.id,
      this.#routes.map((route) => route.telemetry),
    );
    this.#intake = new EventIntake({
      events,
      write: (generation, bytes) => this.#line.write(generation, bytes),
      reports: this.#reports,
    });
    this.#said = { state: 'absent', why: NEW_HEALTH.downWhy ?? '', sinceMs: clock.wallMs() };
  }

  get id(): string {
    return this.#id;
  }

  get counters(): SensorCounters {
    const { published, dropped } = this.#samples.counters;
    return {
      ...this.#line.counters,
      ...this.#intake.counters,
      ...this.#counters,
      samples: published,
      samplesDropped: dropped,
    };
  }

  state(): SensorState {
    this.#settleState();
    const { state, why, sinceMs } = this.#said;
    return {
      state,
      why,
      since: new Date(sinceMs).toISOString(),
      last_good: this.#lastGoodWallMs === undefined ? undefined : new Date(this.#lastGoodWallMs).toISOString(),
      counters: this.counters,
    };
  }

  start(): void {
    this.#line.start();
  }

  /** Takes no more frames, answers what the ledger accepts within two seconds, and closes the line. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stale?.cancel();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(STOP_MS, resolve);
    });
    await Promise.race([this.#intake.idle(), late]);
    timer?.cancel();
    await this.#line.stop();
    this.#samples.stop();
  }

  #frame(generation: number, frame: Buffer): void {
    if (this.#stopping) return;
    const decoded = this.#decode(frame);
    if (decoded.kind === 'invalid') {
      this.#counters.invalid += 1;
      this.#note({ kind: 'bad', bytes: frame.length });
      this.#reports.noise('invalid', 'frame is not valid', decoded.reason, () => ({
        bytes: frame.length,
        hex: frame.toString('hex', 0, SAMPLE_BYTES),
      }));
      return;
    }
    this.#lastGoodWallMs = this.#options.clock.wallMs();
    this.#note({ kind: 'good', atMs: this.#options.clock.monotonicMs() });
    const outcomes = planFrame(this.#id, this.#routes, decoded.record, frame);
    if (outcomes.length === 0) this.#counters.unrouted += 1;
    for (const outcome of outcomes) this.#apply(generation, outcome);
  }

  #apply(generation: number, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'readings':
        this.#counters.outOfRange += outcome.outOfRange;
        this.#counters.unusable += outcome.unusable;
        if (outcome.readings.length > 0) this.#samples.take(outcome.route, outcome.readings);
        return;
      case 'event':
        this.#intake.add(generation, outcome.draft, outcome.answer);
        return;
      case 'no-event':
        this.#counters.noEvent += 1;
        this.#reports.trouble(`no-event ${outcome.route}`, 'frame makes no event; not answered', {
          route: outcome.route,
          reason: outcome.reason,
        });
    }
  }

  #note(input: HealthInput): void {
    this.#health = nextHealth(this.#health, input);
    this.#settleState();
  }

  /** Brings what is said in line with what is known now, and looks again when the sensor would become stale. */
  #settleState(): void {
    const { clock, onState } = this.#options;
    const nowMs = clock.monotonicMs();
    const verdict = judgeHealth(this.#health, nowMs, this.#staleAfterMs);
    if (verdict.state !== this.#said.state || verdict.why !== this.#said.why) {
      const since = verdict.state === this.#said.state ? this.#said.sinceMs : clock.wallMs();
      this.#said = { state: verdict.state, why: verdict.why, sinceMs: since };
      onState?.();
    }
    if (verdict.staleAtMs === undefined || this.#stale !== undefined || this.#stopping) return;
    // One timer, set again when it fires: a new one for each frame would cost more than the frame.
    this.#stale = clock.after(Math.max(1, verdict.staleAtMs - nowMs), () => {
      this.#stale = undefined;
      this.#settleState();
    });
  }
}
