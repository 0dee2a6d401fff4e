/**
 * The model broker as the connection meets it: CONNECT, sessions with their subscriptions and what waits in them, the
 * retained receipt. One client, one session.
 */
import type { InboundMessage, Link, LinkEnd, LinkListener, LinkOpener, LinkTarget } from '../../src/ports-broker.ts';
import { type ModelBroker, type ModelLink, modelLink } from './model-broker.ts';

const RECEIPT = 'fp/v1/pump-42/down/receipt';
const LISTENS = 'fp/v1/pump-42/down/#';
const LOST: LinkEnd = { word: 'network.lost', text: 'cut' };

export class ModelOpener implements LinkOpener {
  readonly broker: ModelBroker;
  readonly connects: { readonly cleanStart: boolean; readonly sessionPresent: boolean }[] = [];
  #filters = new Set<string>();
  #retained: InboundMessage | undefined;
  #waiting: InboundMessage[] = [];
  #up: { readonly model: ModelLink; readonly listener: LinkListener; readonly end: (why: LinkEnd) => void } | undefined;

  constructor(broker: ModelBroker) {
    this.broker = broker;
  }

  get isUp(): boolean {
    return this.#up !== undefined;
  }

  /** Answers up to `count` packets; false when none was waiting. */
  answer(count: number): boolean {
    return this.#up?.model.answer(count) ?? false;
  }

  /** The link is lost. */
  cut(): void {
    this.#up?.end(LOST);
  }

  /** The device's process is gone: the link too, and nobody hears of it. */
  abandon(): void {
    this.#up = undefined;
  }

  /** Another client, or a restart without data: the session is lost, and the link. */
  forget(): void {
    this.cut();
    this.broker.forget();
    this.#filters = new Set();
    this.#waiting = [];
  }

  /** A consumer's receipt. */
  say(payload: Buffer): void {
    const message = { topic: RECEIPT, payload, retained: false };
    this.#retained = { ...message, retained: true };
    if (!this.#filters.has(LISTENS)) return;
    if (this.#up === undefined) this.#waiting = [message];
    else this.#up.listener.message(message);
  }

  probe(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  open(target: LinkTarget, listener: LinkListener): Promise<{ readonly kind: 'up'; readonly link: Link }> {
    if (target.cleanStart) this.#endSession();
    const present = this.broker.connect(false);
    this.connects.push({ cleanStart: target.cleanStart, sessionPresent: present });
    const filters = this.#filters;
    let over = false;
    const end = (why: LinkEnd = { word: 'own.ended', text: '' }): void => {
      if (over) return;
      over = true;
      if (this.#up?.model === model) this.#up = undefined;
      if (target.sessionExpiryMs === 0 && this.#filters === filters) this.#endSession();
      listener.ended(why);
    };
    const model = modelLink(this.broker, present, (chunk) => listener.inbound(chunk), end);
    const whileUp = <Answer>(answer: () => Answer): Promise<Answer> =>
      over || this.#up?.model !== model ? Promise.reject(new Error('the link is over')) : Promise.resolve(answer());
    const link: Link = {
      ...model.link,
      subscribe: (filter) =>
        whileUp(() => {
          filters.add(filter);
          if (filter === LISTENS && this.#retained !== undefined) listener.message(this.#retained);
        }),
      unsubscribe: (filter) => whileUp(() => filters.delete(filter)),
      end: (why) => Promise.resolve(end(why)),
    };
    this.#up = { model, listener, end };
    // In the chunk that brings CONNACK.
    for (const message of this.#waiting.splice(0)) listener.message(message);
    return Promise.resolve({ kind: 'up', link });
  }

  #endSession(): void {
    this.broker.forget();
    this.#filters = new Set();
    this.#waiting = [];
  }
}
