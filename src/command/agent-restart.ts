/**
 * `agent.restart`: the process ends in the ordinary way, with exit status 0, and whoever supervises it starts it again. Only
 * once the answer has left, so that the operator has it; if that takes too long, without.
 */
import * as v from 'valibot';
import type { Clock } from '../ports.ts';
import { type Command, defineCommand } from './command.ts';

/** Time for the outcome to be written and the answer to be acknowledged, milliseconds. */
const ANSWER_MS = 10_000;

/** `restart` asks the process to end; it is called once, however often that is ordered. */
export function agentRestartCommand(clock: Clock, restart: () => void): Command {
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    restart();
  };
  return defineCommand({
    name: 'agent.restart',
    changes: true,
    summary: 'Ends the agent in the ordinary way; its supervisor starts it again.',
    args: v.strictObject({}),
    result: v.strictObject({}),
    run: (_args, { afterAnswer }) => {
      afterAnswer(end);
      clock.after(ANSWER_MS, end);
      return {};
    },
  });
}
