/**
 * The file of who may sign, in OpenSSH's words (ssh-keygen(1), ALLOWED SIGNERS): principals, options, key, comment, one a
 * line. Pure. A line that can not be read gives nobody anything and is told by its number; the others count.
 */
import { parseSshKey, SSH_KEY_TYPES } from './ssh-key.ts';

export interface AllowedSigner {
  /** As the line has them, such as `ops@example.org`. */
  readonly principals: string;
  readonly fingerprint: string;
  /** Patterns; undefined: for every namespace. */
  readonly namespaces: readonly string[] | undefined;
  /** Wall milliseconds; undefined: no bound. */
  readonly validAfterMs: number | undefined;
  readonly validBeforeMs: number | undefined;
}

export interface AllowedSigners {
  readonly signers: readonly AllowedSigner[];
  /** A sentence each, with the line's number, and what is there instead of what. */
  readonly mistakes: readonly string[];
}

const LINES_MAX = 2000;
const MISTAKES_MAX = 20;
const PRINCIPALS = /^[^\s"#]{1,256}$/;
/** Whole words; an option's value in double quotes may hold spaces. */
const WORD = /(?:[^\s"]|"[^"]*")+/y;
const OPTION = /([a-z-]+)(?:="([^"]*)")?(?:,|$)/y;
const TIME = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/;

export function parseAllowedSigners(text: string): AllowedSigners {
  const lines = text.split('\n');
  const signers: AllowedSigner[] = [];
  const mistakes: string[] = [];
  for (const [index, line] of lines.slice(0, LINES_MAX).entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    try {
      signers.push(parseLine(content));
    } catch (error) {
      mistakes.push(`line ${index + 1}: ${error instanceof Error ? error.message : 'not readable'}`);
    }
  }
  if (lines.length > LINES_MAX) mistakes.push(`line ${LINES_MAX + 1}: must be the end of the file: it is not read on`);
  return { signers, mistakes: mistakes.slice(0, MISTAKES_MAX) };
}

/** Whether one of the patterns fits and none that is negated does (ssh_config(5), PATTERNS). */
export function fitsPatterns(patterns: readonly string[], text: string): boolean {
  const isFit = (pattern: string): boolean => {
    const source = pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/\*+/g, '.*')
      .replaceAll('?', '.');
    return new RegExp(`^${source}$`).test(text);
  };
  const denied = patterns.some((pattern) => pattern.startsWith('!') && isFit(pattern.slice(1)));
  return !denied && patterns.some((pattern) => !pattern.startsWith('!') && isFit(pattern));
}

function parseLine(line: string): AllowedSigner {
  const words = wordsOf(line);
  const principals = words[0] ?? '';
  if (!PRINCIPALS.test(principals)) throw new Error(mistake('principals such as ops@example.org', principals));
  const hasOptions = !isKeyType(words[1]);
  const [type, base64] = hasOptions ? [words[2], words[3]] : [words[1], words[2]];
  const options = hasOptions ? parseOptions(words[1] ?? '') : new Map<string, string>();
  if (type === undefined || !SSH_KEY_TYPES.some((known) => known === type)) {
    throw new Error(mistake(`a key of ${SSH_KEY_TYPES.join(', ')}`, type));
  }
  return {
    principals,
    fingerprint: fingerprintOf(type, base64 ?? ''),
    namespaces: options.get('namespaces')?.split(','),
    validAfterMs: timeOf(options, 'valid-after'),
    validBeforeMs: timeOf(options, 'valid-before'),
  };
}

/** Also of those that are not ours, so that their line is not taken for one with options. */
function isKeyType(word: string | undefined): boolean {
  return word !== undefined && /^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$/.test(word);
}

function fingerprintOf(type: string, base64: string): string {
  const blob = Buffer.from(base64, 'base64');
  if (base64 === '' || blob.toString('base64') !== base64) throw new Error(mistake('a key in base64', base64));
  const key = attempt(() => parseSshKey(blob));
  const length = blob.length >= 4 ? blob.readUInt32BE() : 0;
  const said = blob.subarray(4, 4 + length).toString('latin1');
  if (key === undefined || said !== type) throw new Error(mistake(`a key of ${type}`, base64));
  return key.fingerprint;
}

function parseOptions(text: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  OPTION.lastIndex = 0;
  while (OPTION.lastIndex < text.length) {
    const found = OPTION.exec(text);
    const [, name = '', value] = found ?? [];
    const isKnown = ['namespaces', 'valid-after', 'valid-before'].includes(name);
    // To skip one would be to give more than the line says.
    if (found === null || !isKnown || value === undefined || options.has(name)) {
      throw new Error(mistake('options namespaces="...", valid-after="..." or valid-before="...", each once', text));
    }
    options.set(name, value);
  }
  return options;
}

/** Without Z it is the machine's own time zone, as OpenSSH reads it. */
function timeOf(options: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  const [, ...found] = TIME.exec(text) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(0, 6)
    .map((each) => Number(each ?? 0));
  const parts = [year, month - 1, day, hour, minute, second] as const;
  const ms = found.at(-1) === 'Z' ? Date.UTC(...parts) : new Date(...parts).getTime();
  const isReal = month >= 1 && month <= 12 && day >= 1 && new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
  if (found.length === 0 || !isReal || hour > 23 || minute > 59 || second > 59) {
    throw new Error(mistake(`${name} a time such as 20261231Z or 202612312359Z`, text));
  }
  return ms;
}

function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  let offset = 0;
  while (words.length < 4) {
    offset += /^\s*/.exec(line.slice(offset))?.[0].length ?? 0;
    WORD.lastIndex = offset;
    const word = WORD.exec(line)?.[0];
    if (word === undefined) break;
    words.push(word);
    offset += word.length;
  }
  return words;
}

function attempt<Result>(run: () => Result): Result | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

function mistake(expected: string, found: string | undefined): string {
  return `must have ${expected}, got ${JSON.stringify((found ?? 'nothing').slice(0, 60))}`;
}
