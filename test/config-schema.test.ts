/** config/device.schema.json, as an editor would use it: what it takes, what it refuses, and what it tells of each key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { deviceJsonSchema } from '../.ci/schema.ts';
import { parseDeviceValue } from '../src/config/parse.ts';

const ROOT = resolve(import.meta.dirname, '..');

type Schema = Readonly<Record<string, unknown>>;
type Table = Readonly<Record<string, unknown>>;

const schema = JSON.parse(readFileSync(join(ROOT, 'config/device.schema.json'), 'utf8')) as Schema;
const shipped = JSON.parse(readFileSync(join(ROOT, 'device.json'), 'utf8')) as Table;

/** Keywords that say nothing about what is valid. */
const NOTES = ['$schema', 'title', 'description', 'default', 'examples'];

type Rule = (limit: unknown, value: unknown, whole: Schema) => boolean;

/** The keywords of JSON Schema that ours uses; another one fails the test that validates. */
const RULES: Readonly<Record<string, Rule>> = {
  type: (limit, value) => typesOf(value).includes(String(limit)),
  enum: (limit, value) => (limit as unknown[]).includes(value),
  const: (limit, value) => limit === value,
  pattern: (limit, value) => typeof value !== 'string' || new RegExp(String(limit), 'u').test(value),
  minLength: (limit, value) => typeof value !== 'string' || value.length >= Number(limit),
  maxLength: (limit, value) => typeof value !== 'string' || value.length <= Number(limit),
  minimum: (limit, value) => typeof value !== 'number' || value >= Number(limit),
  maximum: (limit, value) => typeof value !== 'number' || value <= Number(limit),
  minItems: (limit, value) => !Array.isArray(value) || value.length >= Number(limit),
  maxItems: (limit, value) => !Array.isArray(value) || value.length <= Number(limit),
  items: (limit, value) => !Array.isArray(value) || value.every((each) => accepts(limit as Schema, each)),
  minProperties: (limit, value) => Object.keys(tableOf(value)).length >= Number(limit),
  maxProperties: (limit, value) => Object.keys(tableOf(value)).length <= Number(limit),
  required: (limit, value) => !isTable(value) || (limit as string[]).every((key) => Object.hasOwn(value, key)),
  propertyNames: (limit, value) => Object.keys(tableOf(value)).every((key) => accepts(limit as Schema, key)),
  properties: (limit, value) =>
    Object.entries(limit as Readonly<Record<string, Schema>>).every(
      ([key, each]) => !Object.hasOwn(tableOf(value), key) || accepts(each, tableOf(value)[key]),
    ),
  additionalProperties: (limit, value, whole) =>
    Object.entries(tableOf(value)).every(
      ([key, each]) =>
        Object.hasOwn(tableOf(whole['properties']), key) || (limit !== false && accepts(limit as Schema, each)),
    ),
  anyOf: (limit, value) => (limit as Schema[]).some((each) => accepts(each, value)),
  oneOf: (limit, value) => (limit as Schema[]).filter((each) => accepts(each, value)).length === 1,
};

function accepts(part: Schema, value: unknown): boolean {
  return Object.entries(part).every(([keyword, limit]) => {
    if (NOTES.includes(keyword)) return true;
    const rule = RULES[keyword];
    assert.ok(rule, `this test does not know the keyword ${keyword}`);
    return rule(limit, value, part);
  });
}

function typesOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return ['array'];
  if (value === null) return ['null'];
  return Number.isInteger(value) ? ['number', 'integer'] : [typeof value];
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tableOf(value: unknown): Table {
  return isTable(value) ? value : {};
}

function changed(path: readonly (string | number)[], put: unknown): unknown {
  const copy = structuredClone(shipped) as Record<string | number, unknown>;
  let at = copy;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  at[path.at(-1) ?? ''] = put;
  return copy;
}

test('the committed schema is what the code makes', () => {
  assert.equal(readFileSync(join(ROOT, 'config/device.schema.json'), 'utf8'), deviceJsonSchema());
});

test('the schema takes the shipped device.json', () => {
  assert.ok(accepts(schema, shipped));
});

test('the schema refuses what the parser refuses of a single value', () => {
  const cases: readonly (readonly [readonly (string | number)[], unknown])[] = [
    [['device', 'id'], 'a b'],
    [['device', 'id'], undefined],
    [['broker', 'keepAlive'], '30'],
    [['broker', 'keepAlive'], 30],
    [['broker', 'keepalive'], '30s'],
    [['broker', 'protocol'], 3],
    [['broker', 'window'], 0],
    [['broker', 'urls'], []],
    [['broker', 'urls', 0], 'http://b'],
    [['broker', 'tls', 'rejectUnauthorized'], false],
    [['topics'], { prefix: 'a//b' }],
    [['ledger', 'maxBytes'], '1GB'],
    [['ledger', 'receipts'], 'on'],
    [['ledger', 'sign'], 'rsa'],
    [['sensors', 0, 'port'], {}],
    [['sensors', 0, 'port'], { path: '/d', tcp: 'h:1' }],
    [['sensors', 0, 'decode'], { type: 'xml' }],
    [['sensors', 0, 'decode'], { type: 'csv' }],
    [['sensors', 0, 'framing', 'max'], 8],
    [['sensors', 0, 'routes'], []],
    [['sensors', 0, 'routes', 0], {}],
    [['sensors', 0, 'routes', 0, 'event'], {}],
    [['sensors', 0, 'routes', 0, 'when'], { k: null }],
    [['sensors', 0, 'routes', 1, 'event', 'fields'], {}],
    [['log', 'level'], 'trace'],
    [['host'], { metrics: [] }],
    [['host'], { metrics: ['disc'] }],
    [['broker', 'heartbeat'], '1'],
    [['schedule'], [{ cron: '* * * * *', command: 'config.planned' }]],
    [['schedule'], [{ command: 'ping' }]],
    [['commands'], { ping: 'maybe' }],
    [['remote'], { allow: '/sensors' }],
  ];
  for (const [path, put] of cases) {
    const value: unknown = JSON.parse(JSON.stringify(changed(path, put)));
    assert.equal(accepts(schema, value), false, `schema: ${path.join('/')} = ${JSON.stringify(put)}`);
    assert.equal(parseDeviceValue(value).ok, false, `parser: ${path.join('/')} = ${JSON.stringify(put)}`);
  }
});

test('every key has a description, and every object is closed or a table of one kind', () => {
  const walk = (part: Schema, pointer: string): void => {
    for (const [key, each] of Object.entries(tableOf(part['properties']))) {
      const property = each as Schema;
      const place = `${pointer}/${key}`;
      if (property['const'] === undefined || typeof property['const'] === 'boolean') {
        assert.equal(typeof property['description'], 'string', `${place} has no description`);
      }
      walk(property, place);
    }
    if (part['properties'] !== undefined) assert.equal(part['additionalProperties'], false, pointer);
    else if (isTable(part['additionalProperties'])) walk(part['additionalProperties'], `${pointer}/*`);
    if (isTable(part['items'])) walk(part['items'], `${pointer}/*`);
    for (const each of [part['oneOf'], part['anyOf']].flat()) if (isTable(each)) walk(each, pointer);
  };
  walk(schema, '');
});
