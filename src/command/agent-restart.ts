/**
 * `agent.restart`: the process ends in the ordinary way, with exit status 0, and whoever supervises it starts it again. Only
 * once the answer has left, so that the operator has it; if that takes too long, without.
 */
import * as v from 'valibot';
import type { Clock, Timer } from '../ports.ts';
import { type Command, defineCommand } from './command.ts';

export const AGENT_RESTART = 'agent.restart';
/** Time for the outcome to be written and the answer to be acknowledged, milliseconds. */
const ANSWER_MS = 10_000;

export class AgentRestart {
  readonly #clock: Clock;
  readonly #restart: () => void;
  #late: Timer | undefined;

  /** `restart` asks the process to end; it is called once an order. */
  constructor(clock: Clock, restart: () => void) {
    this.#clock = clock;
    this.#restart = restart;
  }

  get command(): Command {
    return defineCommand({
      name: AGENT_RESTART,
      changes: true,
      summary: 'Ends the agent in the ordinary way; its supervisor starts it again.',
      args: v.strictObject({}),
      run: () => {
        this.#late ??= this.#clock.after(ANSWER_MS, () => this.answered());
        return {};
      },
    });
  }

  /** The answer has left, or could not. Without an order before it this does nothing. */
  answered(): void {
    if (this.#late === undefined) return;
    this.#late.cancel();
    this.#late = undefined;
    this.#restart();
  }
}
