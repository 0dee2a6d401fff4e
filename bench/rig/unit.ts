/** How systemd/fieldpost.service starts the agent: node's flags and the environment, read from that file. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const UNIT = join(resolve(import.meta.dirname, '../..'), 'systemd/fieldpost.service');

export interface Flags {
  /** NAME=value. */
  readonly environment: readonly string[];
  readonly flags: readonly string[];
}

/** Takes what our unit uses of the format: quotes, and \ at a line's end. */
export function readUnit(): Flags {
  const lines = readFileSync(UNIT, 'utf8').replace(/\\\n/g, ' ').split('\n');
  const valuesOf = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key}=`)).flatMap((line) => words(line.slice(key.length + 1)));
  const [starter = '', node = '', ...args] = valuesOf('ExecStart');
  const file = args.findIndex((arg) => !arg.startsWith('-'));
  if (!starter.endsWith('/notify-socket') || !/(^|\/)node$/.test(node) || !args[file]?.endsWith('/fieldpost.mjs'))
    throw new Error('systemd/fieldpost.service: ExecStart must be: notify-socket, node, its flags, fieldpost.mjs');
  return { environment: valuesOf('Environment'), flags: args.slice(0, file) };
}

export function words(text: string): string[] {
  return (text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) => word.replace(/["']/g, ''));
}
