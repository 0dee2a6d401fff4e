// Writes config/device.schema.json, made from the schema that the agent itself parses device.json with.
//
// usage: npx tsx .ci/schema.ts [--check]
//   --check  writes nothing; exit status 1 when the committed file is not what the code makes
import { readFileSync, writeFileSync } from 'node:fs';
import { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { toJsonSchema } from '@valibot/to-json-schema';
import { deviceSchema } from '../src/config/schema.ts';

const file = fileURLToPath(new URL('../config/device.schema.json', import.meta.url));

// Rules between keys have no words in JSON Schema (except what the schema's metadata says); `fieldpost check` has them.
const RULES_BETWEEN_KEYS = ['check', 'raw_check', 'partial_check'];

export function deviceJsonSchema(): string {
  const schema = toJsonSchema(deviceSchema, { typeMode: 'input', ignoreActions: RULES_BETWEEN_KEYS });
  return `${JSON.stringify({ ...schema, title: 'fieldpost device.json' }, null, 2)}\n`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const made = deviceJsonSchema();
  if (!argv.includes('--check')) {
    writeFileSync(file, made);
  } else if (readFileSync(file, 'utf8') !== made) {
    stderr.write('config/device.schema.json is not what src/config makes: run npx tsx .ci/schema.ts\n');
    process.exitCode = 1;
  }
}
