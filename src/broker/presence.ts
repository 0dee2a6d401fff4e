/**
 * Presence: the retained status, the will on the same topic, the birth, each sensor's own state, the heartbeat, the
 * farewell (DESIGN 3 and 4). Every connection has a session of its own, and will, status and sensor states carry it, so
 * that a reader can ignore what belongs to a session that is over.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Log, Timer } from '../ports.ts';
import type { Link, LinkTarget } from '../ports-broker.ts';
import { Retained } from './retained.ts';
import type { Topics } from './topics.ts';

/** A status is to be doubted when it is this many heartbeats old: one may be lost, and one late. */
const DOUBT_HEARTBEATS = 3;
/** How often it is looked whether something changed that matters. */
const LOOK_MS = 5000;
/** Sensor states are said again this often even when nothing changed, for their counters, milliseconds. */
const SENSORS_MS = 300_000;
/** Time for the farewell to be acknowledged, milliseconds. */
const FAREWELL_MS = 2000;

export type Why = 'start' | 'reconnect' | 'shutdown' | 'reboot' | 'update' | 'lost';

/** The members of the status besides state, why and session. */
export type StatusFigures = Readonly<Record<string, unknown>> & {
  /** What matters at once: a change of it republishes the status. */
  readonly degraded: readonly string[];
};

export interface SensorDocument extends Readonly<Record<string, unknown>> {
  readonly sensor: string;
}

export interface PresenceOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly log: Log;
  readonly willDelayMs: number;
  readonly heartbeatMs: number;
  readonly figures: () => StatusFigures;
  readonly info: () => Readonly<Record<string, unknown>>;
  readonly sensors: () => readonly SensorDocument[];
}

export class Presence {
  readonly #options: PresenceOptions;
  readonly #retained: Retained;
  #link: Link | undefined;
  #session = '';
  #since = '';
  #why: Why = 'start';
  #look: Timer | undefined;
  #publishedMs = 0;
  #sensorsMs = 0;
  #published = '';
  /** Of the configuration that info speaks of. */
  #informed: string | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#retained = new Retained(options);
  }

  /** Our topics that the broker refuses by an access rule. */
  get forbidden(): readonly string[] {
    return this.#retained.forbidden;
  }

  /** The will for a link that is about to open. */
  will(session: string): LinkTarget['will'] {
    const { topics, willDelayMs } = this.#options;
    const text = JSON.stringify({ v: 1, state: 'offline', why: 'lost', session });
    return { topic: topics.status, payload: Buffer.from(text, 'utf8'), delayMs: willDelayMs };
  }

  /**
   * Of the connection that there is. Undefined while there is none, and on a new one until its status is said: what the
   * broker kept for us comes with CONNACK already, and a request held back since the last session must not pass for one of it.
   */
  get session(): string | undefined {
    return this.#link === undefined ? undefined : this.#session;
  }

  /** The link is up: birth. */
  up(link: Link, session: string): void {
    const { clock } = this.#options;
    this.#link = link;
    this.#session = session;
    this.#since = new Date(clock.wallMs()).toISOString();
    // Said before the link is handed over, so that nothing of the last session goes out on it.
    this.#sayStatus();
    this.#sayInfo();
    this.#saySensors();
    this.#retained.up(link);
    this.#watch();
  }

  down(): void {
    // Of the next connection; every status of this one has said the same.
    if (this.#link !== undefined) this.#why = 'reconnect';
    this.#link = undefined;
    this.#retained.down();
    this.#look?.cancel();
  }

  /** Says offline, and waits a little until the broker has it. */
  async farewell(why: Why): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    this.down();
    this.#why = why;
    const { topics, log, clock } = this.#options;
    const payload = Buffer.from(JSON.stringify(this.document('offline')), 'utf8');
    const said = link
      .publish(topics.status, payload, { qos: link.terms.maximumQos === 0 ? 0 : 1, retain: link.terms.retainAvailable })
      .catch((error: unknown) => log.debug('farewell not published', { reason: reasonOf(error) }));
    let late: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      late = clock.after(FAREWELL_MS, resolve);
    });
    await Promise.race([said, deadline]);
    late?.cancel();
  }

  /** Something changed that a reader should know soon. */
  changed(): void {
    if (this.#link === undefined) return;
    const figures = this.#options.figures();
    if (matterOf(figures) === this.#published) return;
    this.#sayStatus();
    if (configOf(figures) !== this.#informed) this.#sayInfo();
  }

  /** A sensor's state changed: its own topic says so at once. */
  sensorChanged(sensor: string): void {
    if (this.#link === undefined) return;
    const document = this.#options.sensors().find((each) => each.sensor === sensor);
    if (document !== undefined) this.#saySensor(document);
    this.changed();
  }

  /** Takes back the state of sensors that an earlier configuration had; resolves when the broker has that. */
  async clearSensors(sensors: readonly string[]): Promise<void> {
    const topics = sensors.map((sensor) => this.#options.topics.sensor(sensor));
    for (const topic of topics) this.#retained.clear(topic);
    for (const topic of topics) await this.#retained.settled(topic);
  }

  /** The whole status, as it is or would be published. */
  document(state: 'online' | 'offline'): Readonly<Record<string, unknown>> {
    const validForS = (DOUBT_HEARTBEATS * this.#options.heartbeatMs) / 1000;
    const start = { v: 1, state, why: this.#why, session: this.#session, since: this.#since, valid_for: validForS };
    return { ...start, ...this.#options.figures() };
  }

  #watch(): void {
    this.#look?.cancel();
    const { clock, heartbeatMs } = this.#options;
    this.#look = clock.after(Math.min(LOOK_MS, heartbeatMs / 2), () => {
      this.#watch();
      const nowMs = clock.monotonicMs();
      // Half a look early rather than late: "at least every heartbeat" is a promise.
      if (nowMs - this.#publishedMs >= heartbeatMs - LOOK_MS / 2) this.#sayStatus();
      else this.changed();
      if (nowMs - this.#sensorsMs >= SENSORS_MS) this.#saySensors();
    });
  }

  #sayStatus(): void {
    this.#publishedMs = this.#options.clock.monotonicMs();
    this.#published = matterOf(this.#options.figures());
    this.#retained.say(this.#options.topics.status, this.document('online'));
  }

  #sayInfo(): void {
    const { topics, figures, info } = this.#options;
    this.#informed = configOf(figures());
    this.#retained.say(topics.info, { v: 1, ...info() });
  }

  #saySensors(): void {
    this.#sensorsMs = this.#options.clock.monotonicMs();
    for (const document of this.#options.sensors()) this.#saySensor(document);
  }

  #saySensor(document: SensorDocument): void {
    this.#retained.say(this.#options.topics.sensor(document.sensor), { v: 1, session: this.#session, ...document });
  }
}

function matterOf(figures: StatusFigures): string {
  return [...figures.degraded, figures['clock'], configOf(figures)].join('\n');
}

function configOf(figures: StatusFigures): string | undefined {
  return JSON.stringify(figures['config']);
}
