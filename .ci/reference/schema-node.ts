/** The parts of JSON Schema that config/device.schema.json uses, and what can be said of one value in a word or two. */
import { DURATION_PATTERN, SIZE_PATTERN } from '../../src/config/units.ts';

export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
}

/** How the elements of src/config/elements.ts end a description; the head of the page says what these types are. */
const PATH_TAIL = ' Absolute, or relative to the working directory.';
const BYTES_TAIL = ' A text, or hex: and digits.';
/** Patterns of decimal numbers begin with an optional sign and `(?:0|[1-9]`. */
const DECIMAL = /^\^-?\??\(\?:0\|\[1-9\]/;

/** What kind of value it is, as a person says it. */
export function typeText(node: SchemaNode): string {
  if (node.anyOf !== undefined && node.type === undefined) return node.anyOf.map(typeText).join(' or ');
  if (node.pattern === DURATION_PATTERN.source) return 'duration';
  if (node.pattern === SIZE_PATTERN.source) return 'size';
  if (node.enum !== undefined) return 'choice';
  if (node.type === 'integer') return 'whole number';
  if (node.type === 'boolean') return 'true or false';
  if (isPath(node)) return 'path';
  if (node.description?.endsWith(BYTES_TAIL) === true) return 'bytes';
  if (node.type === 'string') return DECIMAL.test(node.pattern ?? '') ? 'decimal text' : 'text';
  if (node.type === 'array') return node.items === undefined ? 'list' : `list of ${typeText(node.items)}`;
  return node.type ?? 'any value';
}

/**
 * The bounds of a value, and its description without them. Elements of the schema end their description in their bounds, so
 * that an editor shows both; a table has a column for each.
 */
export function boundsOf(node: SchemaNode): { readonly bounds: string; readonly meaning: string } {
  const description = node.description ?? '';
  const unit = / A (?:duration|size) \([^)]*\), ([^.]+(?:\.[0-9]+)?)\.$/.exec(description);
  if (unit !== null) return { bounds: unit[1] ?? '', meaning: description.slice(0, unit.index) };
  const bounds = plainBounds(node);
  for (const tail of [PATH_TAIL, BYTES_TAIL]) {
    if (description.endsWith(tail)) return { bounds, meaning: description.slice(0, -tail.length) };
  }
  for (const tail of [` ${bounds}.`, `: ${bounds}.`]) {
    if (bounds !== '' && description.endsWith(tail))
      return { bounds, meaning: `${description.slice(0, -tail.length)}${tail.startsWith(':') ? '.' : ''}` };
  }
  return { bounds, meaning: description };
}

function plainBounds(node: SchemaNode): string {
  const choices = node.enum ?? node.anyOf?.flatMap((each) => each.enum ?? []) ?? node.items?.enum;
  if (choices !== undefined && choices.length > 0) return choices.map((each) => JSON.stringify(each)).join(', ');
  if (node.minimum !== undefined && node.maximum !== undefined) return `${node.minimum} to ${node.maximum}`;
  if (node.pattern === '^[A-Za-z0-9._-]{1,64}$') return '1 to 64 of A-Z a-z 0-9 . _ -';
  const [low, high] = [
    node.minItems ?? node.minProperties ?? node.minLength,
    node.maxItems ?? node.maxProperties ?? node.maxLength,
  ];
  if (high === undefined) return '';
  // A path's own bound says nothing to anybody.
  if (isPath(node)) return '';
  const of = node.maxLength === undefined ? '' : ' characters';
  return low === undefined ? `At most ${high}${of}` : `${low} to ${high}${of}`;
}

function isPath(node: SchemaNode): boolean {
  return node.description?.endsWith(PATH_TAIL) === true;
}
