/**
 * Final answers of changing commands that found no link: they leave with the next one, in order, so that whoever asked hears
 * how it ended although the command itself, or the broker, took the link away. In memory: after a restart the same request
 * again gets the answer from the command ledger. Bounded; the oldest gives room.
 */
const HELD_MAX = 64;

export interface HeldAnswer {
  readonly topic: string;
  readonly payload: Buffer;
  readonly correlationData: Buffer | undefined;
}

export class HeldAnswers {
  #held: HeldAnswer[] = [];

  hold(answer: HeldAnswer): void {
    this.#held = [...this.#held, answer].slice(-HELD_MAX);
  }

  /** All that are held; from now on none is. */
  takeAll(): readonly HeldAnswer[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
