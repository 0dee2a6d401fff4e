/** Whether a request fits a command that this device runs: name, policy, form, arguments; or what is wrong with it. Pure. */
import * as v from 'valibot';
import type { Command } from './command.ts';
import type { DeskErrorCode } from './desk-errors.ts';
import { parseRequest, type Request } from './request.ts';
import { type Outcome, rejected } from './response.ts';

/** What the configuration says of a command; undefined: nothing. */
export type Policy = Readonly<Record<string, 'on' | 'off'>>;

export type Judged =
  | { readonly kind: 'refused'; readonly outcome: Outcome }
  | {
      readonly kind: 'fit';
      readonly command: Command;
      /** What the command's schema made of them. */
      readonly args: unknown;
      readonly request: Request;
    };

/** Not named: reading commands are on, changing ones off. */
export function isOn(command: Command, policy: Policy): boolean {
  const said = Object.hasOwn(policy, command.name) ? policy[command.name] : undefined;
  return said === undefined ? !command.changes : said === 'on';
}

export function judge(
  commands: ReadonlyMap<string, Command>,
  policy: Policy,
  name: string,
  id: string,
  payload: Buffer,
): Judged {
  const command = commands.get(name);
  if (command === undefined) return refused('command.unknown', `this version does not know the command ${name}`);
  if (!isOn(command, policy)) return refused('command.off', `${name} is off on this device: device.json /commands`);
  const parsed = parseRequest(id, payload);
  if (parsed.kind === 'mistake') return refused(parsed.error.code, parsed.error.message);
  const args = v.safeParse(command.args, parsed.request.args);
  if (!args.success) return refused('args.invalid', argsText(args.issues));
  return { kind: 'fit', command, args: args.output, request: parsed.request };
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
