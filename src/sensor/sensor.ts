/**
 * One sensor: the records of its source go by its routes to telemetry or to the ledger, and what the ledger has accepted is
 * answered. Here the parts are tied together; what each decides stands in its own file.
 */
import { bytesOfText } from '../bytes-text.ts';
import type { Clock, Cron, EventSink, Log, Timer } from '../ports.ts';
import type { PortSpec } from '../ports-line.ts';
import type { CreateLine } from '../serial/line.ts';
import type { ModbusBus } from '../serial/modbus-bus.ts';
import type { SensorConfig, TelemetryRoute } from './config.ts';
import type { ParseJson } from './decode-json.ts';
import { EventIntake, type IntakeCounters } from './event-intake.ts';
import { EventRules, type RememberedEvents } from './event-rules.ts';
import {
  BAD_WHY,
  type HealthInput,
  judgeHealth,
  NEW_HEALTH,
  nextHealth,
  SILENT_WHY,
  type SensorCondition,
} from './health.ts';
import { type LastValue, LastValues } from './last-values.ts';
import { LineSource } from './line-source.ts';
import { ModbusSource } from './modbus-source.ts';
import type { DecodedRecord } from './record.ts';
import { Registers } from './registers.ts';
import { Reports } from './reports.ts';
import { type Outcome, planFrame, type Reading, type Route, routesOf } from './route.ts';
import type { Source, SourceCounters, SourceEvents } from './source.ts';
import { renderWrite } from './write-template.ts';

/** Where a sensor's readings go: bounded, may lose them, counts what it loses. */
export interface SampleIntake {
  take(route: number, readings: readonly Reading[]): void;
  /** Sends what waits for its time, and takes nothing more. */
  stop(): void;
  /** While they are paused, readings are neither kept nor counted; what waited before is sent. */
  pause(isPaused: boolean): void;
  readonly counters: { readonly published: number; readonly dropped: number };
}

/** `routes`: by their place in the configuration; undefined for those that are no telemetry. */
export type CreateSamples = (sensor: string, routes: readonly (TelemetryRoute | undefined)[]) => SampleIntake;

export interface SensorCounters extends SourceCounters, Readonly<IntakeCounters> {
  /** Records that no route took. */
  readonly unrouted: number;
  /** Telemetry values dropped because they were out of range. */
  readonly outOfRange: number;
  /** Telemetry values dropped because they were not what their field says. */
  readonly unusable: number;
  /** Values of registers that fell or rose too far: dropped as telemetry, marked as suspect in events. */
  readonly flagged: number;
  /** Records for an event that lacked a field, a number or what the answer needs. */
  readonly noEvent: number;
  /** Lines closed and opened again because nothing good had come for the time of `watchdog`. */
  readonly watchdog: number;
  readonly samples: number;
  readonly samplesDropped: number;
}

/** A template with its values put in. */
export interface PreparedWrite {
  readonly bytes: Buffer;
  readonly expect: Buffer | undefined;
  /** For `expect`, milliseconds. */
  readonly timeout: number;
}

/** As on `up/sensor/<sensor>`. Times are ISO 8601. */
export interface SensorState {
  readonly state: SensorCondition;
  readonly why: string;
  readonly since: string;
  readonly last_good: string | undefined;
  /** Telemetry is paused by command until then; left out when it is not. */
  readonly telemetry_paused_until?: string;
  readonly counters: SensorCounters;
}

export interface SensorOptions {
  readonly config: SensorConfig;
  readonly clock: Clock;
  readonly cron: Cron;
  readonly log: Log;
  readonly parseJson: ParseJson;
  readonly createLine: CreateLine;
  /** The bus of a port, for Modbus sensors: the same for the same port. */
  readonly busOf: (port: PortSpec) => Pick<ModbusBus, 'join'>;
  readonly createSamples: CreateSamples;
  readonly events: EventSink;
  /** What the rules of events remember across a restart. */
  readonly memory: RememberedEvents;
  /** Called when `state().state` or its `why` has changed. */
  readonly onState?: () => void;
}

const STALE_AFTER_MS = 300_000;
/** The longest that is waited at a time: a poll may come once a month, and timers end at 24 days. */
const DAY_MS = 86_400_000;
/** Time at a stop for events that wait for the disk, milliseconds. */
const STOP_MS = 2000;

export class Sensor {
  readonly #options: SensorOptions;
  readonly #routes: readonly Route[];
  readonly #reports: Reports;
  readonly #source: Source;
  readonly #samples: SampleIntake;
  readonly #intake: EventIntake;
  readonly #rules: EventRules;
  readonly #registers = new Registers();
  readonly #counters = { unrouted: 0, outOfRange: 0, unusable: 0, flagged: 0, noEvent: 0, watchdog: 0 };
  #health = NEW_HEALTH;
  #said: { readonly state: SensorCondition; readonly why: string; readonly hint: string; readonly sinceMs: number };
  #lastGoodWallMs: number | undefined;
  /** From the newest good reading to the next; by the clock it is another in the night than by day. Undefined: not known yet. */
  #beatMs: number | undefined;
  #stale: Timer | undefined;
  #watchdog: Timer | undefined;
  #stopping = false;
  #restarting: Promise<void> | undefined;
  readonly #lastValues = new LastValues();
  #pausedUntilMs: number | undefined;

  constructor(options: SensorOptions) {
    const { config, clock, log, createSamples, events, memory } = options;
    this.#options = options;
    this.#routes = routesOf(config);
    this.#reports = new Reports({ sensor: config.id, clock, log });
    this.#source = this.#makeSource();
    this.#samples = createSamples(
      config.id,
      this.#routes.map((route) => route.telemetry),
    );
    this.#intake = new EventIntake({
      events,
      write: (generation, bytes) => this.#source.write(generation, bytes),
      reports: this.#reports,
      onJudged: (isConflict) => this.#note({ kind: 'judged', isConflict }),
    });
    this.#rules = new EventRules(memory);
    this.#said = { state: 'absent', why: NEW_HEALTH.downWhy ?? '', hint: '', sinceMs: clock.wallMs() };
  }

  get id(): string {
    return this.#options.config.id;
  }

  get counters(): SensorCounters {
    const { published, dropped } = this.#samples.counters;
    return {
      ...this.#source.counters,
      ...this.#intake.counters,
      ...this.#counters,
      samples: published,
      samplesDropped: dropped,
    };
  }

  state(): SensorState {
    this.#settleState();
    const { state, why, hint, sinceMs } = this.#said;
    return {
      state,
      why: why + hint,
      since: new Date(sinceMs).toISOString(),
      last_good: this.#lastGoodWallMs === undefined ? undefined : new Date(this.#lastGoodWallMs).toISOString(),
      ...(this.#pausedUntilMs === undefined
        ? {}
        : { telemetry_paused_until: new Date(this.#pausedUntilMs).toISOString() }),
      counters: this.counters,
    };
  }

  /** Once stopped, a sensor is not started again: an agent may be stopped while it still starts. */
  start(): void {
    if (!this.#stopping) this.#source.start();
  }

  /** Takes no more frames, answers what the ledger accepts within two seconds, and closes the line. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stale?.cancel();
    this.#watchdog?.cancel();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(STOP_MS, resolve);
    });
    await Promise.race([this.#intake.idle(), late]);
    timer?.cancel();
    await this.#source.stop();
    this.#samples.stop();
  }

  /** The newest value of each decoded name. */
  lastValues(): readonly LastValue[] {
    return this.#lastValues.list(this.#options.clock.monotonicMs());
  }

  /** What commands may write. */
  get templates(): readonly string[] {
    return Object.keys(this.#options.config.writes ?? {});
  }

  /** A text says what is wrong with the values. `template`: one of `templates`. */
  render(template: string, values: Readonly<Record<string, unknown>>): PreparedWrite | string {
    const found = this.#options.config.writes?.[template];
    if (found === undefined) return `there is no template ${template}`;
    const rendered = renderWrite(found, values);
    if (rendered.kind === 'mistake') return rendered.text;
    const { expect, timeout } = found;
    return { bytes: rendered.bytes, expect: expect === undefined ? undefined : bytesOfText(expect), timeout };
  }

  /** As the source does. */
  exchange<Result>(bytes: Buffer, listen: () => Promise<Result>): Promise<Result> {
    return this.#source.exchange(bytes, listen);
  }

  /** Closes the line and opens it again; of a bus that others use too, this sensor's part. */
  restart(): Promise<void> {
    this.#restarting ??= this.#closeAndStart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  async #closeAndStart(): Promise<void> {
    this.#watchdog?.cancel();
    this.#watchdog = undefined;
    await this.#source.stop();
    this.#note({ kind: 'down', why: 'restarted by command' });
    this.start();
  }

  /** `untilMs`: wall time at which whoever pauses will end it, as far as is known; undefined ends it. Events go on. */
  pauseTelemetry(untilMs: number | undefined): void {
    this.#pausedUntilMs = untilMs;
    this.#samples.pause(untilMs !== undefined);
    this.#options.onState?.();
  }

  #makeSource(): Source {
    const { clock } = this.#options;
    const events: SourceEvents = {
      up: () => {
        this.#note({ kind: 'up', atMs: clock.monotonicMs() });
        this.#watch();
      },
      down: (why) => {
        this.#watchdog?.cancel();
        this.#watchdog = undefined;
        this.#note({ kind: 'down', why });
      },
      record: (generation, record, raw) => this.#record(generation, record, raw),
      bad: (bytes) => this.#note({ kind: 'bad', bytes }),
      silent: (why) => this.#note({ kind: 'silent', why }),
    };
    const { config, busOf } = this.#options;
    const { id, modbus, port } = config;
    if (modbus === undefined) return new LineSource({ ...this.#options, reports: this.#reports, events });
    return new ModbusSource({ ...this.#options, sensor: id, modbus, bus: busOf(port), reports: this.#reports, events });
  }

  #record(generation: number, record: DecodedRecord, raw: Buffer): void {
    if (this.#stopping) return;
    const { clock } = this.#options;
    this.#lastGoodWallMs = clock.wallMs();
    this.#lastValues.take(record, this.#lastGoodWallMs, clock.monotonicMs());
    this.#beatMs = this.#source.beatMs;
    this.#note({ kind: 'good', atMs: clock.monotonicMs() });
    const outcomes = planFrame(this.id, this.#routes, record, raw);
    if (outcomes.length === 0) this.#counters.unrouted += 1;
    for (const outcome of outcomes) this.#apply(generation, outcome);
  }

  #apply(generation: number, outcome: Outcome): void {
    const route = this.#routes[outcome.route];
    switch (outcome.kind) {
      case 'readings': {
        this.#counters.outOfRange += outcome.outOfRange;
        this.#counters.unusable += outcome.unusable;
        if (route?.telemetry === undefined) return;
        const readings = this.#registers.sift(outcome.route, route.telemetry, outcome.readings);
        this.#counters.flagged += outcome.readings.length - readings.length;
        if (readings.length > 0) this.#samples.take(outcome.route, readings);
        return;
      }
      case 'event': {
        const { draft, answer } = outcome;
        const judged = route && this.#rules.judge(route, draft.data, this.#options.clock.wallMs());
        if (judged === undefined) return;
        this.#intake.add(generation, { ...draft, data: judged.data }, answer, (isNew) => {
          if (isNew) this.#counters.flagged += judged.flagged;
          judged.settle(isNew);
        });
        return;
      }
      case 'no-event':
        this.#counters.noEvent += 1;
        this.#reports.noise(`no-event ${outcome.route}`, 'frame makes no event; not answered', outcome.reason, () => ({
          route: outcome.route,
        }));
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
    const verdict = judgeHealth(this.#health, nowMs, this.#staleAfterMs());
    if (verdict.state !== this.#said.state || verdict.why !== this.#said.why) {
      const since = verdict.state === this.#said.state ? this.#said.sinceMs : clock.wallMs();
      // Once, as it began: a text that changed with each byte would be published with each byte. Of a device that has
      // fallen silent the last bytes were good ones.
      const isSilent = verdict.why === SILENT_WHY && this.#health.lastGoodMs === undefined;
      const hint = verdict.why === BAD_WHY || isSilent ? this.#source.hint() : undefined;
      this.#said = { ...verdict, hint: hint === undefined ? '' : `: ${hint}`, sinceMs: since };
      onState?.();
    }
    if (verdict.staleAtMs === undefined || this.#stale !== undefined || this.#stopping) return;
    // One timer, set again when it fires: a new one for each frame would cost more than the frame.
    this.#stale = clock.after(Math.min(DAY_MS, Math.max(1, verdict.staleAtMs - nowMs)), () => {
      this.#stale = undefined;
      this.#settleState();
    });
  }

  #staleAfterMs(): number {
    // The first answer may come before the schedule of its poll is made.
    this.#beatMs ??= this.#source.beatMs;
    return this.#options.config.staleAfter ?? Math.max(STALE_AFTER_MS, 2 * (this.#beatMs ?? 0));
  }

  /** A line that is up and brings nothing good for so long is closed and opened again: drivers and adapters do hang. */
  #watch(): void {
    const { clock, config } = this.#options;
    if (config.watchdog === undefined || this.#stopping) return;
    const watchdogMs = config.watchdog;
    const dueMs = (this.#health.lastGoodMs ?? this.#health.upMs) + watchdogMs;
    this.#watchdog = clock.after(Math.max(1, dueMs - clock.monotonicMs()), () => {
      const silentMs = clock.monotonicMs() - (this.#health.lastGoodMs ?? this.#health.upMs);
      if (silentMs < watchdogMs) return this.#watch();
      this.#counters.watchdog += 1;
      this.#source.reopen(`no good reading for ${Math.round(silentMs / 1000)} s (watchdog)`);
    });
  }
}
