/**
 * Decodes a frame that is one JSON object. Nested values have dotted names (`a.b`, list items by index: `a.0`), down to
 * eight levels; `null` counts as absent. A name that two values claim (`{"a.b":1,"a":{"b":2}}`), or a key given twice
 * with two values, makes the frame invalid: which one is money is not for us to guess.
 */
import { type Decoded, type Decoder, invalid, type Scalar } from './record.ts';

/**
 * Throws when the text is not JSON. A number comes out as an object of a class of its own whose `String()` is its exact
 * text.
 */
export type ParseJson = (text: string) => unknown;

const DEPTH_MAX = 8;

class Ambiguous extends Error {}

export function jsonDecoder(parseJson: ParseJson): Decoder {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  return (frame): Decoded => {
    let text: string;
    try {
      text = utf8.decode(frame);
    } catch {
      return invalid('not UTF-8');
    }
    // Before parsing: a parser that calls itself must not meet 16,000 brackets.
    if (isNestedDeeper(text, DEPTH_MAX)) return invalid(`JSON is nested deeper than ${DEPTH_MAX} levels`);
    let value: unknown;
    try {
      value = parseJson(text);
    } catch {
      return invalid('not JSON');
    }
    if (!isPlainObject(value)) return invalid('not a JSON object');
    const record = new Map<string, Scalar>();
    try {
      addValues(record, '', value);
    } catch (error) {
      if (error instanceof Ambiguous) return invalid('two JSON values have the same dotted name');
      throw error;
    }
    return { kind: 'record', record };
  };
}

function addValues(record: Map<string, Scalar>, start: string, values: object): void {
  for (const [key, value] of Object.entries(values) as [string, unknown][]) {
    const name = `${start}${key}`;
    const scalar = scalarOf(value);
    if (scalar !== undefined) {
      if (record.has(name)) throw new Ambiguous(name);
      record.set(name, scalar);
    } else if (Array.isArray(value) || isPlainObject(value)) {
      addValues(record, `${name}.`, value);
    }
  }
}

function scalarOf(value: unknown): Scalar | undefined {
  if (typeof value === 'string') return { kind: 'string', text: value };
  if (typeof value === 'boolean') return { kind: 'boolean', text: String(value) };
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)) {
    return { kind: 'number', text: String(value) };
  }
  return undefined;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isNestedDeeper(text: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
    } else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > most) return true;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return false;
}
