/**
 * One thing that is wrong with device.json: where, what was found, what was expected. Whoever reads it stands at a
 * device in the field, so the words are plain and a found text that may hold a secret is not repeated.
 */

export interface Problem {
  /** RFC 6901; empty for the whole file. */
  readonly pointer: string;
  /** Short text of what was found: JSON, or `nothing`. */
  readonly found: string;
  /** Follows "must be". */
  readonly expected: string;
  /** For example: did you mean `baudRate`? */
  readonly hint?: string;
  /** For mistakes of the JSON text itself, counted from 1. */
  readonly line?: number;
  readonly column?: number;
}

const FOUND_LENGTH_MAX = 60;

/** `device.json /broker/keepAlive: must be 5s to 1h, got "0s"` */
export function problemText(file: string, problem: Problem): string {
  const { pointer, line, column, expected, found, hint } = problem;
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const where = pointer === '' ? place : `${place} ${pointer}`;
  return `${where}: must be ${expected}, got ${found}${hint === undefined ? '' : `; ${hint}`}`;
}

/** RFC 6901: `~` is `~0`, `/` is `~1`. */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** A found value as short text. Passwords in URLs are struck out, a text of several lines (an inlined key) is not shown. */
export function foundText(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) {
    const count = Object.keys(value).length;
    return count === 0 ? 'an empty object' : `an object with ${count} ${count === 1 ? 'key' : 'keys'}`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  if (value.length > 1 && value.includes('\n')) return `a text of ${value.length} characters on several lines`;
  const shown = value.replace(/\/\/[^/@]*@/, '//***@');
  const end = shown.length > FOUND_LENGTH_MAX ? '...' : '';
  return JSON.stringify(shown.slice(0, FOUND_LENGTH_MAX)) + end;
}
