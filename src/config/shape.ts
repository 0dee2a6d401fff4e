/**
 * Walks a value along the schema and finds every key that has no place in it, at any depth, and every list that stands
 * where an object belongs. valibot stops at an object's first unknown key and takes lists for objects; whoever corrects a
 * file in the field wants all mistakes at once.
 */
import type * as v from 'valibot';
import { nearest } from './nearest.ts';
import { foundText, type Problem, pointerOf } from './problem.ts';

/** Said of a list where an object belongs. */
export const OBJECT_EXPECTED = 'an object';

type Path = readonly (string | number)[];

/** The parts of valibot's schema objects that are walked here. */
interface Node {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly value?: Node;
  readonly key?: unknown;
  readonly options?: readonly Node[];
  readonly literal?: unknown;
}

export function shapeProblems(schema: v.GenericSchema, value: unknown): readonly Problem[] {
  const problems: Problem[] = [];
  walk(schema, value, [], problems);
  return problems;
}

function walk(node: Node, value: unknown, path: Path, problems: Problem[]): void {
  if (node.wrapped !== undefined) return walk(node.wrapped, value, path, problems);
  if (Array.isArray(value)) return walkArray(node, value, path, problems);
  if (typeof value !== 'object' || value === null) return;
  const object = value as Readonly<Record<string, unknown>>;
  const { entries } = node;
  if (entries !== undefined) {
    for (const [key, each] of Object.entries(object)) {
      const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
      if (entry === undefined) problems.push(unknownKey([...path, key], Object.keys(entries)));
      else walk(entry, each, [...path, key], problems);
    }
  } else if (node.type === 'record' && node.value !== undefined) {
    for (const [key, each] of Object.entries(object)) walk(node.value, each, [...path, key], problems);
  } else if (node.type === 'variant' && typeof node.key === 'string') {
    const discriminator = node.key;
    const option = node.options?.find((each) => each.entries?.[discriminator]?.literal === object[discriminator]);
    if (option !== undefined) walk(option, value, path, problems);
  }
}

function walkArray(node: Node, value: readonly unknown[], path: Path, problems: Problem[]): void {
  if (node.item !== undefined) {
    for (const [index, each] of value.entries()) walk(node.item, each, [...path, index], problems);
  } else if (node.entries !== undefined || node.type === 'record' || node.type === 'variant') {
    problems.push({ pointer: pointerOf(path), found: foundText(value), expected: OBJECT_EXPECTED });
  }
}

function unknownKey(path: Path, known: readonly string[]): Problem {
  const key = String(path.at(-1));
  const pointer = pointerOf(path);
  const found = `the key ${JSON.stringify(key.slice(0, 60))}`;
  const near = nearest(key, known);
  const expected = `a known key (${known.join(', ')})`;
  return near === undefined
    ? { pointer, found, expected }
    : { pointer, found, expected, hint: `did you mean \`${near}\`?` };
}
