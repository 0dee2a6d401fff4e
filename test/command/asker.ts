/** Asks commands as the desk does, all of them on: their arguments are judged, then they run. */
import * as v from 'valibot';
import { judge } from '../../src/command/judge.ts';
import { type Command, CommandFailure, type RunContext } from '../../src/command/command.ts';
import { reasonOf } from '../../src/fault.ts';
import { HandClock } from '../sensor-rig.ts';

const TRUST = {
  device: 'pump-42',
  signatures: undefined,
  counterOf: () => 0,
  session: () => undefined,
  clock: new HandClock(),
};

/** The result, or what the desk would say is wrong. */
export type Ask = (name: string, args?: object) => Promise<unknown>;

/** `after`: takes what the command wants done once its answer has left. `progress`: hears how far it is. */
export function asker(
  commands: readonly Command[],
  after: (run: () => void) => void = notWanted,
  progress: RunContext['progress'] = () => Promise.resolve(),
): Ask {
  const byName = new Map(commands.map((command) => [command.name, command]));
  const policy = Object.fromEntries(commands.map(({ name }) => [name, 'on' as const]));
  return async (name, args = {}) => {
    const judged = judge(byName, policy, name, 'x', Buffer.from(JSON.stringify({ args })), TRUST);
    if (judged.kind === 'refused') return judged.outcome.error?.message;
    try {
      const context = { id: 'x', by: undefined, progress, afterAnswer: after };
      const result = await judged.command.run(judged.args, context);
      // What docs/COMMANDS.md says of the answer holds.
      v.assert(judged.command.result, JSON.parse(JSON.stringify(result)));
      return result;
    } catch (error) {
      if (error instanceof v.ValiError) throw error;
      if (error instanceof CommandFailure && !Object.hasOwn(judged.command.errors ?? {}, error.code)) {
        throw new Error(`${name} does not describe its error ${error.code}`, { cause: error });
      }
      return reasonOf(error);
    }
  };
}

/** Wall time of a HandClock before any time has passed, and so much later, ISO 8601. */
export function timeAfter(ms: number): string {
  return new Date(new HandClock().wallMs() + ms).toISOString();
}

export function notWanted(): never {
  throw new Error('no command of this test waits for its answer');
}
