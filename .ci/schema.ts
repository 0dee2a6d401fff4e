// Writes what is made from the schema that the agent itself parses device.json with: config/device.schema.json for editors,
// and docs/CONFIGURATION.md for people; and docs/COMMANDS.md, of the commands.
//
// usage: npx tsx .ci/schema.ts [--check]
//   --check  writes nothing; exit status 1 when a committed file is not what the code makes
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { toJsonSchema } from '@valibot/to-json-schema';
import { deviceSchema } from '../src/config/schema.ts';
import { allCommands } from './command-list.ts';
import { commandsPage } from './commands-page.ts';
import { examplesOf } from './reference/examples.ts';
import { sectionsOf } from './reference/keys.ts';
import { configurationPage } from './reference/markdown.ts';
import type { SchemaNode } from './reference/schema-node.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

// Rules between keys have no words in JSON Schema (except what the schema's metadata says); `fieldpost check` has them.
const RULES_BETWEEN_KEYS = ['check', 'raw_check', 'partial_check'];

export function deviceJsonSchema(): string {
  const schema = toJsonSchema(deviceSchema, { typeMode: 'input', ignoreActions: RULES_BETWEEN_KEYS });
  return `${JSON.stringify({ ...schema, title: 'fieldpost device.json' }, null, 2)}\n`;
}

function configuration(): string {
  return configurationPage(sectionsOf(JSON.parse(deviceJsonSchema()) as SchemaNode, examplesOf(root)));
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const made = {
    'config/device.schema.json': deviceJsonSchema(),
    'docs/CONFIGURATION.md': configuration(),
    'docs/COMMANDS.md': commandsPage(allCommands()),
  };
  for (const [path, text] of Object.entries(made)) {
    const file = join(root, path);
    if (!argv.includes('--check')) {
      writeFileSync(file, text);
    } else if (readFileSync(file, 'utf8') !== text) {
      stderr.write(`${path} is not what the code makes: run npm run schema\n`);
      process.exitCode = 1;
    }
  }
}
