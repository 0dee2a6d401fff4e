/**
 * Answers on their way out. One that must not get lost, the final one of a changing command, is held where it did not arrive
 * and leaves with the next link, so that whoever asked hears how it ended although the command itself, or the broker, took
 * the link away. In memory: after a restart the same request again gets the answer from the command ledger. Bounded in number,
 * the oldest gives room, and in links: an answer that a broker ends the link over must not cost every link.
 */
import { Fault, reasonOf } from '../fault.ts';
import type { Log } from '../ports.ts';
import type { Link } from '../ports-broker.ts';

const HELD_MAX = 64;
/** Bad luck may end a link under the same answer twice. */
const LINKS_MAX = 3;

export interface Answer {
  readonly topic: string;
  /** Below the device's own tree, where the broker lets it answer whatever it says of a topic that the requester chose. */
  readonly home: string;
  readonly payload: Buffer;
  readonly correlationData: Buffer | undefined;
}

export interface HeldAnswersOptions {
  /** Undefined: there is none. */
  readonly link: () => Pick<Link, 'publish'> | undefined;
  readonly log: Log;
}

interface Held {
  readonly answer: Answer;
  /** Over which it was tried. */
  readonly links: number;
}

export class HeldAnswers {
  readonly #options: HeldAnswersOptions;
  #held: readonly Held[] = [];

  constructor(options: HeldAnswersOptions) {
    this.#options = options;
  }

  /** Rejects when it did not arrive; `owed`: it then leaves with a later link. */
  async send(answer: Answer, owed: boolean): Promise<void> {
    const link = this.#options.link();
    if (link === undefined) {
      if (owed) this.#hold([...this.#held, { answer, links: 0 }]);
      throw new Fault('broker.unreachable', 'no broker to answer to');
    }
    try {
      await publish(link, answer);
    } catch (error) {
      if (owed) this.#failed({ answer, links: 0 }, error);
      throw error;
    }
  }

  /** A link has come up: what is held leaves, one by one and in order, as long as it lasts. */
  async linkUp(): Promise<void> {
    const link = this.#options.link();
    if (link === undefined) return;
    const held = this.#held;
    this.#held = [];
    for (const [at, each] of held.entries()) {
      if (this.#options.link() !== link) return this.#hold([...held.slice(at), ...this.#held]);
      await publish(link, each.answer).catch((error: unknown) => this.#failed(each, error));
    }
  }

  /** It goes home from now on, behind the others: it may be what ended the link. */
  #failed({ answer, links }: Held, error: unknown): void {
    const { topic, home } = answer;
    const reason = reasonOf(error);
    if (links + 1 >= LINKS_MAX) return this.#options.log.warn('answer given up', { topic, links: LINKS_MAX, reason });
    this.#options.log.debug('answer held for the next link', { topic, reason });
    this.#hold([...this.#held, { answer: { ...answer, topic: home }, links: links + 1 }]);
  }

  #hold(held: readonly Held[]): void {
    this.#held = held.slice(-HELD_MAX);
  }
}

async function publish(link: Pick<Link, 'publish'>, { topic, home, payload, correlationData }: Answer): Promise<void> {
  const options = { qos: 1, retain: false, ...(correlationData === undefined ? {} : { correlationData }) } as const;
  try {
    await link.publish(topic, payload, options);
  } catch (error) {
    if (topic === home || !(error instanceof Fault)) throw error;
    // The broker said no to the requester's topic, and the link is there.
    await link.publish(home, payload, options);
  }
}
