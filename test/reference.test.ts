/** docs/CONFIGURATION.md and the man page are written from one list of keys: it must be whole, and its examples sound. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplesOf } from '../.ci/reference/examples.ts';
import { sectionsOf } from '../.ci/reference/keys.ts';
import { configurationPage } from '../.ci/reference/markdown.ts';
import type { SchemaNode } from '../.ci/reference/schema-node.ts';
import { parseDeviceValue } from '../src/config/parse.ts';
import { REMOTE_KEYS } from '../src/config/remote-keys.ts';

const ROOT = join(import.meta.dirname, '..');
const SCHEMA = JSON.parse(readFileSync(join(ROOT, 'config/device.schema.json'), 'utf8')) as SchemaNode;
const exampleOf = examplesOf(ROOT);

/** What is wrong with the value, by the schema; only what the examples need of JSON Schema. */
function fault(node: SchemaNode, value: unknown): string | undefined {
  if (node.anyOf !== undefined && node.type === undefined) {
    return node.anyOf.some((each) => fault(each, value) === undefined) ? undefined : 'fits none of anyOf';
  }
  if (node.enum !== undefined && !node.enum.includes(value)) return 'is none of the choices';
  if (Array.isArray(value))
    return value.map((each) => fault(node.items ?? {}, each)).find((each) => each !== undefined);
  const type = node.type === 'integer' ? 'number' : node.type;
  if (type !== undefined && typeof value !== type) return `is no ${type}`;
  if (typeof value === 'number') {
    const { minimum = value, maximum = value } = node;
    return value < minimum || value > maximum ? 'is out of bounds' : undefined;
  }
  if (typeof value !== 'string') return undefined;
  if (value.length > (node.maxLength ?? value.length)) return 'is too long';
  return node.pattern === undefined || new RegExp(node.pattern, 'u').test(value)
    ? undefined
    : 'does not fit the pattern';
}

test('every key of the schema is listed, and each has an example that the schema takes', () => {
  const wrong: string[] = [];
  let judged = 0;
  const sections = sectionsOf(SCHEMA, (path, node) => {
    const value = exampleOf(path, node);
    judged += 1;
    const found = fault(node, value);
    if (found !== undefined) wrong.push(`${path}: ${JSON.stringify(value)} ${found}`);
    return value;
  });
  assert.deepEqual(wrong, []);
  assert.ok(judged > 100);
  const listed = new Set(
    sections
      .flatMap(({ keys, variants }) => [...keys, ...variants.flatMap((variant) => variant.keys)])
      .map((key) => key.name),
  );
  const missing: string[] = [];
  const visit = (node: SchemaNode): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      if (child.const === undefined && !listed.has(name)) missing.push(name);
      visit(child);
    }
    for (const each of [...(node.oneOf ?? []), ...(node.anyOf ?? [])]) visit(each);
    if (node.items !== undefined) visit(node.items);
    if (typeof node.additionalProperties === 'object') visit(node.additionalProperties);
  };
  visit(SCHEMA);
  assert.deepEqual(missing, []);
});

test('what remote.allow may name is listed, and its example is taken', () => {
  const remote = SCHEMA.properties?.['remote']?.properties ?? {};
  const missing = REMOTE_KEYS.filter((key) => !remote['allow']?.description?.includes(`\`${key}\``));
  assert.deepEqual(missing, []);
  const example = (key: string): unknown => exampleOf(`remote.${key}`, remote[key] ?? {});
  const shipped = JSON.parse(readFileSync(join(ROOT, 'device.json'), 'utf8')) as object;
  const parsed = parseDeviceValue({ ...shipped, remote: { allow: example('allow'), pin: example('pin') } });
  assert.ok(parsed.ok && parsed.config.remote.allow.length > 0 && parsed.config.remote.pin.length > 0);
});

test('each link of the page to a section leads to its heading', () => {
  const page = readFileSync(join(ROOT, 'docs/CONFIGURATION.md'), 'utf8');
  const headings = new Set(
    [...page.matchAll(/^## (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '')),
  );
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target as string);
  assert.ok(links.length > 20);
  assert.deepEqual(
    links.filter((target) => !headings.has(target)),
    [],
  );
});

test('a key without an example stops the page, and the error names the key and the place to mend', () => {
  const schema: SchemaNode = { properties: { inlet: { type: 'string', description: 'A hose.' } } };
  assert.throws(() => sectionsOf(schema, exampleOf), /the key inlet of device\.json has no example: .*examples\.ts/);
});

test('bounds stand in their own column and not once more in the meaning', () => {
  const node: SchemaNode = {
    properties: {
      n: { type: 'integer', minimum: 1, maximum: 9, description: 'A number. 1 to 9.' },
      kind: { type: 'string', enum: ['a', 'b|c'], description: 'A kind.' },
    },
    required: ['n'],
  };
  const page = configurationPage(sectionsOf(node, exampleOf));
  assert.match(page, /^\| `n` \| whole number \| \*required\* \| 1 to 9 \| A number\. \| `1` \|$/m);
  assert.match(page, /^\| `kind` \| choice \|  \| "a", "b\\\|c" \| A kind\. \| `"a"` \|$/m);
});
