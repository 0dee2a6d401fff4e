/** Whether a request fits a command that this device runs: name, policy, form, arguments; or what is wrong with it. Pure. */
import * as v from 'valibot';
import { authorise, type SignedBy, type Trust } from './authorise.ts';
import type { Command } from './command.ts';
import type { DeskErrorCode } from './desk-errors.ts';
import type { Request } from './request.ts';
import { type Outcome, rejected } from './response.ts';

/** What the configuration says of a command; undefined: nothing. */
export type Policy = Readonly<Record<string, 'on' | 'off' | 'signed'>>;

export type Judged =
  | { readonly kind: 'refused'; readonly outcome: Outcome }
  | {
      readonly kind: 'fit';
      readonly command: Command;
      /** What the command's schema made of them. */
      readonly args: unknown;
      readonly request: Request;
      /** Undefined: nobody has. */
      readonly signed: SignedBy | undefined;
    };

/** Not named: reading commands are on, changing ones off. */
export function isOn(command: Command, policy: Policy): boolean {
  return policyOf(command, policy) !== 'off';
}

/** Who asks is judged before the arguments are: what is wrong with those is for who may. */
export function judge(
  commands: ReadonlyMap<string, Command>,
  policy: Policy,
  name: string,
  id: string,
  payload: Buffer,
  trust: Trust,
): Judged {
  const command = commands.get(name);
  if (command === undefined) return refused('command.unknown', `this version does not know the command ${name}`);
  const said = policyOf(command, policy);
  if (said === 'off') return refused('command.off', `${name} is off on this device: device.json /commands`);
  const authorised = authorise(command, said, id, payload, trust);
  if (authorised.kind === 'mistake') return refused(authorised.error.code, authorised.error.message);
  const { request, signed } = authorised;
  const args = v.safeParse(command.args, request.args);
  if (!args.success) return refused('args.invalid', argsText(args.issues));
  return { kind: 'fit', command, args: args.output, request, signed };
}

function policyOf(command: Command, policy: Policy): Policy[string] {
  const said = Object.hasOwn(policy, command.name) ? policy[command.name] : undefined;
  return said ?? (command.changes ? 'off' : 'on');
}

function refused(code: DeskErrorCode, message: string): Judged {
  return { kind: 'refused', outcome: rejected(code, message) };
}

function argsText(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .slice(0, 5)
    .map((issue) => {
      const path = (issue.path ?? []).map(({ key }) => `/${String(key).slice(0, 60)}`).join('');
      if (issue.type === 'strict_object' && issue.input === undefined) return `args${path}: must be given`;
      const expected = issue.expected === 'never' ? 'left out' : (issue.expected ?? 'otherwise');
      return `args${path}: must be ${expected}, got ${issue.received.slice(0, 60)}`;
    })
    .join('; ');
}
