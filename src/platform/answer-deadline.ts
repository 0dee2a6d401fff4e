/**
 * A broker that is alive and does not answer what it was asked: MQTT sets no limit, MQTT.js waits for ever, and each publish
 * that waits holds its topic and one of the few turns, while the link looks well. The time runs from when the packet has left
 * the socket: a slow network, or a publish that waits for its turn, is nothing to blame the broker for.
 */
import type { Clock, Timer } from '../ports.ts';
import type { LinkEnd } from '../ports-broker.ts';

/** A broker answers within seconds. Milliseconds. */
const ANSWER_MS = 30_000;

export interface AnswerDeadlineOptions {
  readonly clock: Clock;
  /** Calls back once all that was written so far has left the socket. */
  readonly whenLeft: (run: () => void) => void;
  /** The link is to be ended. */
  readonly late: (end: LinkEnd) => void;
}

export class AnswerDeadline {
  readonly #options: AnswerDeadlineOptions;

  constructor(options: AnswerDeadlineOptions) {
    this.#options = options;
  }

  /** `ask` writes its packet within this turn of the event loop. `answer`: the packet that has to come. */
  async of<Answer>(answer: string, ask: () => Promise<Answer>): Promise<Answer> {
    const { clock, whenLeft, late } = this.#options;
    let isOver = false;
    let timer: Timer | undefined;
    const left = (): void => {
      if (isOver) return;
      timer = clock.after(ANSWER_MS, () => {
        late({ word: 'broker.silent', text: `no ${answer} for ${ANSWER_MS / 1000} s` });
      });
    };
    const asked = ask();
    clock.soon(() => whenLeft(left));
    try {
      return await asked;
    } finally {
      isOver = true;
      timer?.cancel();
    }
  }
}
