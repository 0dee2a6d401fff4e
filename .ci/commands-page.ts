// Makes docs/COMMANDS.md from the commands themselves: what each takes, answers and may say instead.
import * as v from 'valibot';
import { type Command } from '../src/command/command.ts';
import { jsonSchemaOf } from '../src/command/json-schema.ts';
import { COMMAND_EXAMPLES } from './command-examples.ts';
import { DESK_ERRORS } from '../src/command/desk-errors.ts';

type Schema = Readonly<Record<string, unknown>>;

interface Row {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

const HEAD = `<!-- Made by npm run schema from src/command/. Change the code, not this page. -->
# Commands

What the device can be asked. A request goes to \`down/command/<command>/<id>\`, the answer comes on
\`up/response/<command>/<id>\`; [CONTRACT.md](CONTRACT.md#command-and-response) has the envelope, repeats, expiry and
limits. \`args\` of the request and \`result\` of the answer are below, one table a command; a name with \`[]\` is one of
a list, \`?\` may be left out. \`info.get\` answers with the same as JSON Schema (\`requests\`), of the commands that are on.

A command that changes something is off unless \`commands\` in device.json says \`on\` or \`signed\`.
`;

export function commandsPage(commands: readonly Command[]): string {
  const list = commands.map(
    ({ name, changes, summary }) =>
      `| [\`${name}\`](#${anchorOf(name)}) | ${changes ? 'changes' : 'reads'} | ${summary} |\n`,
  );
  const index = `| command | | |\n|---|---|---|\n${list.join('')}`;
  return [HEAD, index, errorsSection(), ...commands.map(commandSection)].join('\n');
}

function errorsSection(): string {
  const rows = Object.entries(DESK_ERRORS).map(([code, meaning]) => `| \`${code}\` | ${meaning} |\n`);
  return `## What every command may answer\n\n| \`error.code\` | meaning |\n|---|---|\n${rows.join('')}`;
}

function commandSection({ name, changes, dangerous, summary, args, result, errors = {} }: Command): string {
  const taken = rowsOf(jsonSchemaOf(args));
  const given = rowsOf(jsonSchemaOf(result));
  const codes = Object.entries(errors).map(([code, meaning]) => `| \`${code}\` | ${meaning} |\n`);
  return [
    `## \`${name}\`\n\n${summary} ${policyText(changes, dangerous)}\n`,
    taken.length === 0 ? 'No arguments.\n' : table('argument', taken),
    ...(taken.length === 0 && !changes ? [] : [exampleText(name, args)]),
    given.length === 0 ? 'The result is an empty object.\n' : table('result', given),
    ...(codes.length === 0 ? [] : [`| \`error.code\` | meaning |\n|---|---|\n${codes.join('')}`]),
  ].join('\n');
}

/** Throws when the page would show a request that the command does not take. */
function exampleText(name: string, schema: v.GenericSchema): string {
  const args = new Map<string, object>(Object.entries(COMMAND_EXAMPLES)).get(name);
  if (args === undefined) throw new Error(`the command ${name} has no example: add one to .ci/command-examples.ts`);
  v.assert(schema, structuredClone(args));
  const payload = Object.keys(args).length === 0 ? {} : { args };
  return `Example: to \`…/down/command/${name}/r1\` the payload \`${JSON.stringify(payload)}\`.\n`;
}

function policyText(changes: boolean, dangerous?: true): string {
  if (!changes) return 'Reads only: on by default.';
  const session = dangerous === true ? " Dangerous: signed, it names the status's session." : '';
  return `Changes something: off by default.${session}`;
}

function table(head: string, rows: readonly Row[]): string {
  const lines = rows.map(({ name, type, text }) => `| \`${name}\` | ${type} | ${text} |\n`);
  return `| ${head} | type | |\n|---|---|---|\n${lines.join('')}`;
}

/** Members of an object, those of objects and lists within below them. */
function rowsOf(schema: Schema, start = ''): readonly Row[] {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const required = new Set((schema['required'] ?? []) as readonly string[]);
  const rows = Object.entries(properties).flatMap(([key, value]) => {
    const inner = (value['items'] ?? value) as Schema;
    const isList = value['type'] === 'array' && !Array.isArray(value['items']);
    const name = `${start}${key}`;
    const row = { name: `${name}${required.has(key) ? '' : '?'}`, type: typeOf(value), text: textOf(value) };
    return [row, ...rowsOf(inner, `${name}${isList ? '[]' : ''}.`)];
  });
  const own = start === '' && rows.length === 0 && schema['description'] !== undefined;
  return own ? [{ name: 'result', type: 'object', text: textOf(schema) }] : rows;
}

function typeOf(schema: Schema): string {
  if (Array.isArray(schema['enum'])) return schema['enum'].map((each) => `\`${JSON.stringify(each)}\``).join(', ');
  if (schema['const'] !== undefined) return `\`${JSON.stringify(schema['const'])}\``;
  const anyOf = (schema['anyOf'] ?? []) as readonly Schema[];
  if (anyOf.length > 0) return anyOf.map(typeOf).join(' or ');
  if (schema['type'] === 'array') return 'list';
  return typeof schema['type'] === 'string' ? schema['type'] : 'any';
}

function textOf(schema: Schema): string {
  const { description, minimum, maximum, default: byDefault } = schema;
  const parts = [
    ...(typeof description === 'string' ? [description.replaceAll('|', '\\|')] : []),
    ...(typeof minimum === 'number' ? [`At least ${minimum}.`] : []),
    ...(typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER ? [`At most ${maximum}.`] : []),
    ...(byDefault === undefined ? [] : [`Default: \`${JSON.stringify(byDefault)}\`.`]),
  ];
  return parts.join(' ');
}

/** As GitHub makes it of a heading. */
function anchorOf(name: string): string {
  return name.replaceAll('.', '');
}
