/**
 * Parses JSON text (RFC 8259) into plain values, with what JSON.parse does not give: the line and column of a mistake
 * and what was expected there, a refusal of the same key twice in one object (JSON.parse silently takes the last one,
 * which would change a billing device behind its owner's back), a refusal of keys that mean something to JavaScript,
 * and a bound on nesting.
 */

export type JsonText =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'mistake'; readonly mistake: JsonMistake };

export interface JsonMistake {
  /** Keys and indexes that lead to the place. */
  readonly path: readonly (string | number)[];
  /** Counted from 1; the column in UTF-16 units, as editors count. */
  readonly line: number;
  readonly column: number;
  readonly found: string;
  readonly expected: string;
}

/** Device configurations nest eight deep; a bound keeps a hostile file from exhausting the stack. */
const DEPTH_MAX = 32;
const RESERVED_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype'];
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
/** To the closing quote; JSON.parse judges what stands between. */
const STRING = /"[^"\\\r\n]*(?:\\.[^"\\\r\n]*)*"/y;
const WORDS: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

export function parseJsonText(text: string): JsonText {
  try {
    return { kind: 'value', value: new Reader(text).whole() };
  } catch (thrown) {
    if (thrown instanceof Mistake) return { kind: 'mistake', mistake: thrown.at };
    throw thrown;
  }
}

class Mistake extends Error {
  readonly at: JsonMistake;

  constructor(at: JsonMistake) {
    super(at.expected);
    this.at = at;
  }
}

class Reader {
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const value = this.#value();
    if (this.#peek() !== '') this.#fail('the end of the text');
    return value;
  }

  #value(): unknown {
    const first = this.#peek();
    if (this.#path.length > DEPTH_MAX) this.#fail(`nested at most ${DEPTH_MAX} deep`);
    if (first === '{') return this.#object();
    if (first === '[') return this.#array();
    if (first === '"') return this.#string('a text');
    const number = this.#match(NUMBER);
    if (number !== undefined) return this.#number(number);
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#offset)) continue;
      this.#offset += word.length;
      return value;
    }
    return this.#fail('a JSON value');
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#offset += 1;
    if (this.#take('}')) return object;
    do {
      if (this.#peek() !== '"') this.#fail('a key in double quotes');
      const start = this.#offset;
      const key = this.#string('a key in double quotes');
      const mistake = keyMistake(object, key);
      if (mistake !== undefined) this.#failAt(start, mistake, JSON.stringify(key));
      if (!this.#take(':')) this.#fail('":"');
      this.#path.push(key);
      object[key] = this.#value();
      this.#path.pop();
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail('"," or "}"');
    return object;
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#offset += 1;
    if (this.#take(']')) return array;
    do {
      this.#path.push(array.length);
      array.push(this.#value());
      this.#path.pop();
    } while (this.#take(','));
    if (!this.#take(']')) this.#fail('"," or "]"');
    return array;
  }

  #string(expected: string): string {
    const start = this.#offset;
    const text = unquoted(this.#match(STRING));
    if (text === undefined) return this.#failAt(start, `${expected}, closed on its line, with valid escapes`);
    if (/\p{Surrogate}/u.test(text)) this.#failAt(start, `${expected} of valid Unicode`, 'half of a surrogate pair');
    return text;
  }

  #number(digits: string): number {
    const value = Number(digits);
    if (!Number.isFinite(value)) this.#failAt(this.#offset - digits.length, 'a number of at most 1.7e308', digits);
    return value;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#offset += found.length;
    return found;
  }

  /** The next character after white space; empty at the end. */
  #peek(): string {
    this.#match(SPACE);
    return this.#text.charAt(this.#offset);
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#offset += 1;
    return true;
  }

  #fail(expected: string): never {
    this.#match(SPACE);
    return this.#failAt(this.#offset, expected);
  }

  #failAt(offset: number, expected: string, found?: string): never {
    const before = this.#text.slice(0, offset);
    const word = /^(?:[\w.+-]{1,20}|[^])?/u.exec(this.#text.slice(offset))?.[0] ?? '';
    throw new Mistake({
      path: [...this.#path],
      line: before.split('\n').length,
      column: offset - before.lastIndexOf('\n'),
      found: found ?? (word === '' ? 'the end of the text' : JSON.stringify(word)),
      expected,
    });
  }
}

function unquoted(quoted: string | undefined): string | undefined {
  try {
    return quoted === undefined ? undefined : (JSON.parse(quoted) as string);
  } catch {
    return undefined;
  }
}

function keyMistake(object: Readonly<Record<string, unknown>>, key: string): string | undefined {
  if (RESERVED_KEYS.includes(key)) return 'a key that JavaScript does not reserve';
  return Object.hasOwn(object, key) ? 'a key that stands once in its object' : undefined;
}
