/**
 * `agent.restart`: the process ends in the ordinary way, with exit status 0, and whoever supervises it starts it again. Only
 * once the answer has left, so that the operator has it; if that takes too long, without. Not at all where the process could not
 * start again.
 */
import * as v from 'valibot';
import type { Clock } from '../ports.ts';
import { type Command, CommandFailure, defineCommand } from './command.ts';

/** Time for the outcome to be written and the answer to be acknowledged, milliseconds. */
const ANSWER_MS = 10_000;

export interface AgentRestartOptions {
  readonly clock: Clock;
  /** Asks the process to end; called once, however often that is ordered. */
  readonly restart: () => void;
  readonly startFault: StartFault;
}

/** Why the process could not start again on the files as they are now, by itself or with the machine; undefined: it could. */
export type StartFault = (of: 'process' | 'machine') => Promise<string | undefined>;

/** Of `agent.restart` and `host.reboot`. */
export const START_ERRORS = {
  'config.invalid':
    'The agent could not start again: device.json is not valid now and what ran last is not known, or the places that it names can not be used. The message says which. Nothing was done.',
};

/** Throws what says so. */
export async function refuseWithoutStart(startFault: StartFault, of: 'process' | 'machine'): Promise<void> {
  const fault = await startFault(of);
  if (fault !== undefined) throw new CommandFailure('config.invalid', fault, 'rejected');
}

export function agentRestartCommand({ clock, restart, startFault }: AgentRestartOptions): Command {
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
    errors: START_ERRORS,
    run: async (_args, { afterAnswer }) => {
      await refuseWithoutStart(startFault, 'process');
      afterAnswer(end);
      clock.after(ANSWER_MS, end);
      return {};
    },
  });
}
