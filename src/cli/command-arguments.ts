/**
 * Arguments of a command as a person writes them: `key=value`, with dots for what lies within, the value as JSON where it is
 * JSON and as text where it is not, and `@FILE` for what stands in a file.
 */
import { readFileSync, statSync } from 'node:fs';
import { Fault, reasonOf } from '../fault.ts';
import { parseJsonText } from '../json-text.ts';
import { REQUEST_BYTES_MAX } from '../limits.ts';

type Members = Record<string, unknown>;

const KEY = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,16}$/;
const RESERVED: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** Throws Fault `usage`, which names the word. */
export function readArguments(words: readonly string[]): Readonly<Members> {
  const args: Members = {};
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, Math.max(at, 0));
    const path = key.split('.');
    if (at < 1 || !KEY.test(key) || path.some((step) => RESERVED.includes(step))) {
      throw wrong(word, 'key=value, such as for=10m, broker.keepAlive=30s or patch=@FILE');
    }
    put(args, path, valueOf(word, word.slice(at + 1)), word);
  }
  return args;
}

function put(args: Members, path: readonly string[], value: unknown, word: string): void {
  const last = path.at(-1) ?? '';
  let place = args;
  for (const step of path.slice(0, -1)) {
    const found = (place[step] ??= {});
    if (typeof found !== 'object' || found === null || Array.isArray(found))
      throw wrong(word, `within ${step}, which has a value already`);
    place = found as Members;
  }
  if (Object.hasOwn(place, last)) throw wrong(word, 'a key that was not given before');
  place[last] = value;
}

function valueOf(word: string, text: string): unknown {
  const content = text.startsWith('@') ? readContent(word, text.slice(1)) : text;
  const json = parseJsonText(content);
  return json.kind === 'value' ? json.value : content;
}

function readContent(word: string, path: string): string {
  try {
    const { size } = statSync(path);
    if (size > REQUEST_BYTES_MAX)
      throw wrong(word, `a file of at most ${REQUEST_BYTES_MAX} bytes, and this one has ${size}`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw error instanceof Fault ? error : wrong(word, `a readable file (${reasonOf(error)})`);
  }
}

function wrong(word: string, expected: string): Fault {
  return new Fault('usage', `${JSON.stringify(word.slice(0, 100))}: must be ${expected}`);
}
