/**
 * What this device says on retained topics: the newest document of each, published when it changes, and all of them again
 * on every connection, since a broker may have lost what it retained. One publish a topic is under way at a time, and a
 * topic that changes often is said twice a second at most, with what is newest then. A topic that an access rule refuses
 * is told once and tried again with the next document.
 */
import { Fault, reasonOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';
import type { Link } from '../ports-broker.ts';

/** Between two publishes of one topic, milliseconds. */
const SPACING_MS = 500;

interface Topic {
  readonly name: string;
  payload: Buffer;
  /** Not yet published on this link as it is now. */
  due: boolean;
  busy: boolean;
  forbidden: boolean;
  /** Refused for another reason, and told. */
  refused: boolean;
  done: Promise<void>;
}

export interface RetainedOptions {
  readonly clock: Clock;
  readonly log: Log;
}

export class Retained {
  readonly #options: RetainedOptions;
  readonly #topics = new Map<string, Topic>();
  #link: Link | undefined;

  constructor(options: RetainedOptions) {
    this.#options = options;
  }

  /** Topics that the broker refuses by an access rule. */
  get forbidden(): readonly string[] {
    return [...this.#topics.values()].filter((topic) => topic.forbidden).map((topic) => topic.name);
  }

  /** A new link: everything is due on it. Documents said before `up` and changed since go as they are now. */
  up(link: Link): void {
    this.#link = link;
    for (const topic of this.#topics.values()) {
      topic.due = true;
      // What was under way on the old link is over with it.
      topic.busy = false;
      this.#pump(topic);
    }
  }

  down(): void {
    this.#link = undefined;
  }

  say(name: string, document: Readonly<Record<string, unknown>>): void {
    this.#put(name, Buffer.from(JSON.stringify(document), 'utf8'));
  }

  /** Takes back what an earlier configuration left there: an empty retained message (MQTT 5, 3.3.1.3). */
  clear(name: string): void {
    this.#put(name, Buffer.alloc(0));
  }

  /** Resolves when the broker has what was said of this topic, or the link is gone. */
  async settled(name: string): Promise<void> {
    const topic = this.#topics.get(name);
    while (topic !== undefined && this.#link !== undefined && (topic.due || topic.busy)) await topic.done;
  }

  #put(name: string, payload: Buffer): void {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, payload, due: true, busy: false, forbidden: false, refused: false, done: Promise.resolve() };
      this.#topics.set(name, topic);
    }
    topic.payload = payload;
    topic.due = true;
    this.#pump(topic);
  }

  #pump(topic: Topic): void {
    const link = this.#link;
    if (link === undefined || topic.busy || !topic.due) return;
    topic.busy = true;
    topic.due = false;
    topic.done = this.#publish(link, topic).then(
      () =>
        new Promise<void>((resolve) => {
          this.#options.clock.after(SPACING_MS, () => {
            if (this.#link === link) {
              topic.busy = false;
              this.#pump(topic);
            }
            resolve();
          });
        }),
    );
  }

  async #publish(link: Link, topic: Topic): Promise<void> {
    const retain = link.terms.retainAvailable;
    const qos = link.terms.maximumQos === 0 ? 0 : 1;
    try {
      await link.publish(topic.name, topic.payload, { qos, retain });
      if (topic.forbidden || topic.refused)
        this.#options.log.info('broker takes the topic again', { topic: topic.name });
      topic.forbidden = false;
      topic.refused = false;
    } catch (error) {
      this.#refused(topic, error);
    }
  }

  #refused(topic: Topic, error: unknown): void {
    const { log } = this.#options;
    if (error instanceof Fault && error.code === 'broker.forbidden') {
      if (!topic.forbidden) log.error('broker forbids a topic; check the access rules', { topic: topic.name });
      topic.forbidden = true;
      return;
    }
    if (error instanceof Fault && error.code === 'broker.refused' && !topic.refused) {
      // Larger than the broker takes, or it is short of something: the next document is tried all the same.
      log.warn('broker refuses a topic', { topic: topic.name, reason: reasonOf(error) });
      topic.refused = true;
      return;
    }
    // The link went, or it is known: the next connection or document says it again.
    log.debug('topic not published', { topic: topic.name, reason: reasonOf(error) });
  }
}
