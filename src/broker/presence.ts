/**
 * Presence: the retained status, the will on the same topic, the birth, the heartbeat, the farewell (DESIGN 3 and 4).
 * Every connection has a session of its own, and will and status carry it, so that a reader can ignore the will of a
 * session that is over.
 */
import { reasonOf } from '../fault.ts';
import type { Clock, Link, LinkTarget, Log, Timer } from '../ports.ts';
import type { Topics } from './topics.ts';

/** A status is republished at least this often, and is to be doubted when it is three times as old. */
const HEARTBEAT_MS = 60_000;
const VALID_FOR_S = 180;
/** How often it is looked whether something changed that matters. */
const LOOK_MS = 5000;
/** Time for the farewell to be acknowledged, milliseconds. */
const FAREWELL_MS = 2000;

export type Why = 'start' | 'reconnect' | 'shutdown' | 'reboot' | 'update' | 'lost';

/** The members of the status besides state, why and session. */
export type StatusFigures = Readonly<Record<string, unknown>> & {
  /** What matters at once: a change of it republishes the status. */
  readonly degraded: readonly string[];
};

export interface PresenceOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly log: Log;
  readonly willDelayMs: number;
  readonly figures: () => StatusFigures;
  readonly info: () => Readonly<Record<string, unknown>>;
}

export class Presence {
  readonly #options: PresenceOptions;
  #link: Link | undefined;
  #session = '';
  #since = '';
  #why: Why = 'start';
  #look: Timer | undefined;
  #publishedMs = 0;
  #published = '';
  #last: Promise<void> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** The will for a link that is about to open. */
  will(session: string): LinkTarget['will'] {
    const { topics, willDelayMs } = this.#options;
    const text = JSON.stringify({ v: 1, state: 'offline', why: 'lost', session });
    return { topic: topics.status, payload: Buffer.from(text, 'utf8'), delayMs: willDelayMs };
  }

  /** The link is up: birth. */
  up(link: Link, session: string): void {
    const { clock, topics, info } = this.#options;
    this.#link = link;
    this.#session = session;
    this.#since = new Date(clock.wallMs()).toISOString();
    this.#publish(topics.info, { v: 1, ...info() });
    this.#publishStatus();
    this.#why = 'reconnect';
    this.#watch();
  }

  down(): void {
    this.#link = undefined;
    this.#look?.cancel();
  }

  /** Says offline, and waits a little until the broker has it. */
  async farewell(why: Why): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    this.#look?.cancel();
    this.#why = why;
    this.#publish(this.#options.topics.status, this.#status('offline'));
    let late: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      late = this.#options.clock.after(FAREWELL_MS, resolve);
    });
    await Promise.race([this.#last, deadline]);
    late?.cancel();
  }

  /** Something changed that a reader should know soon. */
  changed(): void {
    if (this.#link !== undefined && matterOf(this.#options.figures()) !== this.#published) this.#publishStatus();
  }

  #watch(): void {
    this.#look?.cancel();
    this.#look = this.#options.clock.after(LOOK_MS, () => {
      this.#watch();
      if (this.#options.clock.monotonicMs() - this.#publishedMs >= HEARTBEAT_MS) this.#publishStatus();
      else this.changed();
    });
  }

  #publishStatus(): void {
    this.#publishedMs = this.#options.clock.monotonicMs();
    this.#published = matterOf(this.#options.figures());
    this.#publish(this.#options.topics.status, this.#status('online'));
  }

  #status(state: 'online' | 'offline'): Readonly<Record<string, unknown>> {
    const start = { v: 1, state, why: this.#why, session: this.#session, since: this.#since, valid_for: VALID_FOR_S };
    return { ...start, ...this.#options.figures() };
  }

  #publish(topic: string, document: Readonly<Record<string, unknown>>): void {
    const link = this.#link;
    if (link === undefined) return;
    const payload = Buffer.from(JSON.stringify(document), 'utf8');
    const retain = link.terms.retainAvailable;
    this.#last = link.publish(topic, payload, { qos: link.terms.maximumQos === 0 ? 0 : 1, retain }).catch((error) => {
      // The link went, or the broker refused: the next connection or heartbeat says it again.
      this.#options.log.debug('status not published', { topic, reason: reasonOf(error) });
    });
  }
}

function matterOf(figures: StatusFigures): string {
  return figures.degraded.join('\n');
}
