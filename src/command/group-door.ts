/**
 * Where commands to a group of devices come in. A thousand devices that hear one request in one moment would answer in one
 * moment too: each waits for a time by chance before it takes the request, up to the configured spread. What comes meanwhile
 * waits no longer than that, so requests keep their order, which the numbers of signed ones need; over all devices its answers
 * are spread as widely. What waits is bounded, and apart from what the desk has to do; other messages pass at once.
 */
import type { Topics } from '../broker/topics.ts';
import type { Chance, Clock, Log, Timer } from '../ports.ts';
import type { InboundMessage } from '../ports-broker.ts';

const WAITING_MAX = 32;

export interface GroupDoorOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly spreadMs: number;
  readonly pass: (message: InboundMessage) => void;
}

export class GroupDoor {
  readonly #options: GroupDoorOptions;
  readonly #waiting: { readonly message: InboundMessage; readonly sinceMs: number }[] = [];
  #timer: Timer | undefined;
  #dropped = 0;

  constructor(options: GroupDoorOptions) {
    this.#options = options;
  }

  take(message: InboundMessage): void {
    const { topics, clock, chance, log, spreadMs, pass } = this.#options;
    if (topics.parseCommand(message.topic)?.group === undefined) return pass(message);
    if (this.#waiting.length >= WAITING_MAX) {
      if (this.#dropped === 0) log.warn('commands to a group are dropped: too many wait', { waiting: WAITING_MAX });
      this.#dropped += 1;
      return;
    }
    this.#waiting.push({ message, sinceMs: clock.monotonicMs() });
    this.#timer ??= clock.after(chance.unit() * spreadMs, () => this.#passAll());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#waiting.length = 0;
  }

  #passAll(): void {
    const { clock, pass } = this.#options;
    this.#timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const { message, sinceMs } of this.#waiting.splice(0)) pass(laterBy(message, nowMs - sinceMs));
  }
}

/** Its message expiry interval went on while it waited. */
function laterBy(message: InboundMessage, waitMs: number): InboundMessage {
  const { expirySeconds } = message;
  return expirySeconds === undefined ? message : { ...message, expirySeconds: expirySeconds - waitMs / 1000 };
}
