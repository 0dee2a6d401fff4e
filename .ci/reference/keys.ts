/**
 * The keys of device.json as a reference lists them: section by section, read from its JSON Schema, which is made from the
 * agent's own schema. docs/CONFIGURATION.md and the man page device.json(5) are written from this, so neither can differ
 * from what the agent takes.
 */
import { boundsOf, type SchemaNode, typeText } from './schema-node.ts';

export interface Key {
  readonly name: string;
  readonly type: string;
  /** `required`, a JSON text, or empty where nothing is the default. */
  readonly fallback: string;
  readonly bounds: string;
  readonly meaning: string;
  /** JSON text; empty for a section of its own. */
  readonly example: string;
  /** Path of the section that this key opens. */
  readonly opens?: string;
}

/** One of several shapes that a section may have, by its `type`; those with the same keys stand together. */
export interface Variant {
  readonly types: readonly { readonly name: string; readonly meaning: string }[];
  readonly keys: readonly Key[];
}

export interface Section {
  /** Such as `sensors[].port`; empty for the whole file. */
  readonly path: string;
  readonly meaning: string;
  /** Groups of keys of which one is needed. */
  readonly oneOf: readonly (readonly string[])[];
  readonly keys: readonly Key[];
  readonly variants: readonly Variant[];
}

/** Gives the example of a key, as a value; undefined when there is none. */
export type ExampleOf = (path: string, node: SchemaNode) => unknown;

/** Deepest nesting of the schema that is followed. */
const DEPTH_MAX = 12;

/** In the order of the file, a section before what it opens. */
export function sectionsOf(schema: SchemaNode, exampleOf: ExampleOf): readonly Section[] {
  return walk('', schema, exampleOf, 0);
}

function walk(path: string, node: SchemaNode, exampleOf: ExampleOf, depth: number): readonly Section[] {
  if (depth > DEPTH_MAX) throw new Error(`the schema is nested more than ${DEPTH_MAX} deep at ${path}`);
  const shapes = node.properties === undefined ? (node.oneOf ?? []) : [];
  const variants = shapes.map((shape): Variant => {
    const name = String(shape.properties?.['type']?.const);
    const inner = `${path}{${name}}`;
    return { types: [{ name, meaning: shape.description ?? '' }], keys: keysOf(inner, shape, exampleOf) };
  });
  const choices = node.properties === undefined ? [] : (node.oneOf ?? node.anyOf ?? []);
  const own: Section = {
    path: bare(path),
    meaning: node.description ?? '',
    oneOf: choices.map((each) => each.required ?? []),
    keys: keysOf(path, node, exampleOf),
    variants: merge(variants),
  };
  const below = [node, ...shapes].flatMap((shape, at) =>
    Object.entries(shape.properties ?? {}).flatMap(([name, child]) => {
      const inner = at === 0 ? path : `${path}{${String(shape.properties?.['type']?.const)}}`;
      const opened = openedBy(join(inner, name), child);
      return opened === undefined ? [] : walk(opened.path, opened.node, exampleOf, depth + 1);
    }),
  );
  return [own, ...below];
}

function keysOf(path: string, node: SchemaNode, exampleOf: ExampleOf): readonly Key[] {
  return Object.entries(node.properties ?? {})
    .filter(([, child]) => child.const === undefined)
    .map(([name, child]) => keyOf(join(path, name), name, child, node.required?.includes(name) === true, exampleOf));
}

function keyOf(path: string, name: string, node: SchemaNode, required: boolean, exampleOf: ExampleOf): Key {
  const { bounds, meaning } = boundsOf(node);
  const opened = openedBy(path, node);
  const isEmpty = JSON.stringify(node.default) === '{}' || JSON.stringify(node.default) === '[]';
  const fallback = required ? 'required' : node.default === undefined || isEmpty ? '' : JSON.stringify(node.default);
  if (opened !== undefined) {
    const many = opened.path.endsWith('[]')
      ? 'list of objects'
      : opened.path.endsWith('>')
        ? 'objects by name'
        : 'object';
    return { name, type: many, fallback, bounds, meaning, example: '', opens: bare(opened.path) };
  }
  const record = typeof node.additionalProperties === 'object';
  const example = exampleOf(path, node);
  if (example === undefined) {
    throw new Error(`the key ${path} of device.json has no example: add one to .ci/reference/examples.ts`);
  }
  return {
    name,
    type: record ? `object by name of ${typeText(node.additionalProperties)}` : typeText(node),
    fallback,
    bounds: record && bounds === '' ? boundsOf(node.additionalProperties).bounds : bounds,
    meaning,
    example: JSON.stringify(example),
  };
}

/** The section that a key opens: an object, objects in a list, objects by name. */
function openedBy(path: string, node: SchemaNode): { readonly path: string; readonly node: SchemaNode } | undefined {
  const isObject = (each: SchemaNode): boolean =>
    each.properties !== undefined || each.oneOf?.some((shape) => shape.properties !== undefined) === true;
  if (isObject(node)) return { path, node };
  if (node.items !== undefined && isObject(node.items)) return { path: `${path}[]`, node: node.items };
  const { additionalProperties: each } = node;
  if (typeof each === 'object' && isObject(each)) return { path: `${path}.<name>`, node: each };
  return undefined;
}

function merge(variants: readonly Variant[]): readonly Variant[] {
  const merged: Variant[] = [];
  const text = (variant: Variant): string => JSON.stringify(variant.keys.map((key) => ({ ...key, example: '' })));
  for (const variant of variants) {
    const at = merged.findIndex((each) => text(each) === text(variant));
    const same = merged[at];
    if (same === undefined) merged.push(variant);
    else merged[at] = { ...same, types: [...same.types, ...variant.types] };
  }
  return merged;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Without the shapes on the way, which only an example needs. */
function bare(path: string): string {
  return path.replaceAll(/\{[^}]*\}/g, '');
}
