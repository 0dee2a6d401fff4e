/**
 * Where commands to a group of devices come in. A thousand devices that hear one request in one moment would answer in one
 * moment too: each waits for a time by chance before it takes the request, up to the configured spread. What waits is
 * bounded, and apart from what the desk has to do; other messages pass at once.
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
  readonly #waiting = new Set<Timer>();
  #dropped = 0;

  constructor(options: GroupDoorOptions) {
    this.#options = options;
  }

  take(message: InboundMessage): void {
    const { topics, clock, chance, log, spreadMs, pass } = this.#options;
    if (topics.parseCommand(message.topic)?.group === undefined) return pass(message);
    if (this.#waiting.size >= WAITING_MAX) {
      if (this.#dropped === 0) log.warn('commands to a group are dropped: too many wait', { waiting: WAITING_MAX });
      this.#dropped += 1;
      return;
    }
    const waitMs = chance.unit() * spreadMs;
    const timer = clock.after(waitMs, () => {
      this.#waiting.delete(timer);
      pass(laterBy(message, waitMs));
    });
    this.#waiting.add(timer);
  }

  stop(): void {
    for (const timer of this.#waiting) timer.cancel();
    this.#waiting.clear();
  }
}

/** Its message expiry interval went on while it waited. */
function laterBy(message: InboundMessage, waitMs: number): InboundMessage {
  const { expirySeconds } = message;
  return expirySeconds === undefined ? message : { ...message, expirySeconds: expirySeconds - waitMs / 1000 };
}
