/**
 * A request and its answers over a link of its own: subscribes to the answers, publishes, and waits. If the link goes, it is made
 * anew and the same bytes are published again, which a device answers from what it knows: the command runs once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Fault, reasonOf } from '../fault.ts';
import { type LinkCredentials, mqttLinkOpener } from '../platform/mqtt-link.ts';
import type { InboundMessage, Link, LinkEnd, LinkOpening } from '../ports-broker.ts';
import type { Wait } from './command-wait.ts';

export interface Exchange {
  readonly url: string;
  readonly protocol: 4 | 5;
  readonly credentials: LinkCredentials;
  readonly clientIdentifier: string;
  /** Where the request goes. */
  readonly topic: string;
  /** Where answers come from; MQTT 5 names it in the request, unless each device has another. */
  readonly answers: string;
  readonly responseTopic: string | undefined;
  readonly correlationData: Buffer;
  /** Topic of a retained message that `request` needs; undefined: none is needed. */
  readonly statusTopic: string | undefined;
  /** The payload, made once, when a link is there. */
  readonly request: (status: Buffer | undefined) => Promise<Buffer>;
  readonly wait: Wait;
  /** True: that was the last of them. */
  readonly onAnswer: (message: InboundMessage) => boolean;
  readonly tell: (sentence: string) => void;
}

const AGAIN_MS = 500;
const REPEAT_MS = 5000;
const STATUS_MS = 10_000;
const CONNECT_MS = 10_000;

/** Resolves true when the last answer came, false when the time was over before. Rejects with a Fault `broker.…`. */
export async function exchange(options: Exchange): Promise<boolean> {
  const time = new Time(options.wait);
  const opener = mqttLinkOpener(() => options.credentials);
  let payload: Buffer | undefined;
  for (let attempt = 0; attempt === 0 || time.leftMs > 0; attempt += 1) {
    const turn = new Turn(options, time);
    const opening = await opener.open(targetOf(options), turn.listener);
    if (opening.kind === 'refused') {
      if (attempt === 0) throw unreachable(opening);
      options.tell(`${opening.end.word}: ${opening.end.text}; trying again`);
      await pause(AGAIN_MS);
      continue;
    }
    try {
      payload ??= await turn.prepare(opening.link);
      if (await turn.ask(opening.link, payload, attempt > 0)) return true;
    } catch (error) {
      // A link that has gone is made anew; what the broker forbids it will forbid again.
      if (turn.ended === undefined) throw asFault(error);
      options.tell(`${turn.ended.word}: ${turn.ended.text}; connecting again`);
      await pause(AGAIN_MS);
    } finally {
      // The farewell of a link that has gone would never end.
      if (turn.ended === undefined) await opening.link.end();
    }
  }
  return false;
}

/** What is left of it: a device that has answered is given longer. */
class Time {
  readonly #startMs = performance.now();
  readonly #wait: Wait;
  isHeard = false;

  constructor(wait: Wait) {
    this.#wait = wait;
  }

  get leftMs(): number {
    const { answerMs, endMs } = this.#wait;
    return this.#startMs + (this.isHeard ? endMs : answerMs) - performance.now();
  }
}

/** One link's part of it. */
class Turn {
  readonly #options: Exchange;
  readonly #time: Time;
  #status: ((payload: Buffer) => void) | undefined;
  #done: (done: boolean) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  readonly #over: Promise<boolean>;
  #heard = false;
  ended: LinkEnd | undefined;

  constructor(options: Exchange, time: Time) {
    this.#options = options;
    this.#time = time;
    this.#over = new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
    });
    this.#over.catch(() => undefined);
  }

  readonly listener = {
    inbound: (chunk: Buffer): readonly Buffer[] => [chunk],
    drained: (): void => undefined,
    message: (message: InboundMessage): void => {
      if (message.topic === this.#options.statusTopic) this.#status?.(message.payload);
      else if (this.#isOurs(message)) this.#heardOf(message);
    },
    ended: (end: LinkEnd): void => {
      this.ended = end;
      this.#fail(new Fault('broker.unreachable', end.text));
    },
  };

  #heardOf(message: InboundMessage): void {
    this.#heard = true;
    this.#time.isHeard = true;
    if (this.#options.onAnswer(message)) this.#done(true);
  }

  async prepare(link: Link): Promise<Buffer> {
    const { statusTopic, request } = this.#options;
    if (statusTopic === undefined) return request(undefined);
    const status = new Promise<Buffer>((resolve) => {
      this.#status = resolve;
    });
    await link.subscribe(statusTopic, 1);
    const waitMs = Math.min(STATUS_MS, this.#time.leftMs);
    const found = await this.#within(status, waitMs);
    if (found === undefined) throw new Fault('broker.unreachable', `there is no status on ${statusTopic}`);
    return request(found);
  }

  /** `isAgain`: on a broker that was away the device may be missing as yet, and what nobody is subscribed to is lost. */
  async ask(link: Link, payload: Buffer, isAgain: boolean): Promise<boolean> {
    await link.subscribe(this.#options.answers, 1);
    for (;;) {
      const { leftMs } = this.#time;
      await this.#publish(link, payload, leftMs);
      const isOver = await this.#within(this.#over, isAgain ? Math.min(REPEAT_MS, leftMs) : leftMs);
      if (isOver !== undefined) return isOver;
      if (this.#heard) return (await this.#within(this.#over, this.#time.leftMs)) ?? false;
      if (this.#time.leftMs <= 0) return false;
    }
  }

  async #publish(link: Link, payload: Buffer, leftMs: number): Promise<void> {
    const { topic, responseTopic, correlationData } = this.#options;
    const messageExpiryInterval = Math.max(1, Math.ceil(leftMs / 1000));
    const told = responseTopic === undefined ? {} : { responseTopic };
    await link.publish(topic, payload, { qos: 1, retain: false, ...told, correlationData, messageExpiryInterval });
  }

  /** MQTT 5 says which request an answer is to. One without that, as over 3.1.1, is known by its topic. */
  #isOurs({ correlationData }: InboundMessage): boolean {
    return correlationData === undefined || correlationData.equals(this.#options.correlationData);
  }

  /** Undefined: it took longer. Rejects when the link ends. */
  async #within<Value>(wanted: Promise<Value>, ms: number): Promise<Value | undefined> {
    const stop = new AbortController();
    const late = pause(Math.max(0, ms), undefined, { signal: stop.signal }).catch(() => undefined);
    const ended = this.#over.then(() => new Promise<never>(() => undefined));
    try {
      return await Promise.race([wanted, late, ended]);
    } finally {
      stop.abort();
    }
  }
}

function targetOf({ url, protocol, clientIdentifier }: Exchange) {
  const times = { keepAliveMs: 30_000, sessionExpiryMs: 0, connectTimeoutMs: CONNECT_MS };
  return { url, protocol, clientIdentifier, cleanStart: true, will: undefined, ...times };
}

function unreachable({ end }: Extract<LinkOpening, { kind: 'refused' }>): Fault {
  return new Fault('broker.unreachable', `${end.word}: ${end.text}`);
}

function asFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('broker.refused', reasonOf(error));
}
