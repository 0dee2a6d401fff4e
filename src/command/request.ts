/**
 * A command's request, from bytes to a typed value or the one thing that is wrong with it (DESIGN 4). Pure. The id and the
 * command's name stand in the topic; the payload may be empty, which is a request without arguments.
 */
import { parseJsonText } from '../json-text.ts';
import { REQUEST_BYTES_MAX } from '../limits.ts';
import type { Clock } from '../ports.ts';
import type { DeskErrorCode } from './desk-errors.ts';

export interface Request {
  readonly args: unknown;
  /** Wall milliseconds after which it must not run. */
  readonly expiresMs: number | undefined;
  /** Who asks, in their own words: for the log, never for a decision. */
  readonly by: string | undefined;
}

/** `code` is for programs, `message` for people. */
export interface CommandError {
  readonly code: string;
  readonly message: string;
}

export type ParsedRequest =
  | { readonly kind: 'request'; readonly request: Request }
  /** Nothing in `body` counts before `sig` does: signed-request.ts. */
  | { readonly kind: 'signed'; readonly body: string; readonly sig: string }
  | Mistake;

export interface Mistake {
  readonly kind: 'mistake';
  readonly error: { readonly code: DeskErrorCode; readonly message: string };
}

export type ReadDocument = { readonly kind: 'document'; readonly document: Document } | Mistake;
type Document = Readonly<Record<string, unknown>>;

const KEYS: readonly string[] = ['v', 'id', 'args', 'expires', 'by'];
const SIGNED_KEYS: readonly string[] = ['v', 'body', 'sig'];
/** RFC 3339 in UTC or with an offset; Date.parse alone would take "1". */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/;
const BY = /^[^\p{Cc}]{1,128}$/u;

export function parseRequest(id: string, payload: Buffer): ParsedRequest {
  if (payload.length > REQUEST_BYTES_MAX) {
    return mistake('request.too-large', `must be at most ${REQUEST_BYTES_MAX} bytes, got ${payload.length}`);
  }
  if (payload.length === 0) return { kind: 'request', request: { args: {}, expiresMs: undefined, by: undefined } };
  const text = payload.toString('utf8');
  // What is not UTF-8 comes out as other bytes than it went in.
  if (!Buffer.from(text, 'utf8').equals(payload)) return mistake('request.not-utf8', 'must be UTF-8 text');
  const read = readDocument(text);
  if (read.kind === 'mistake') return read;
  const { document } = read;
  if (!('body' in document) && !('sig' in document)) return readRequest(id, document, KEYS);
  const wrong = unknownKey(document, SIGNED_KEYS) ?? otherVersion(document);
  if (wrong !== undefined) return wrong;
  const { body, sig } = document;
  if (typeof body !== 'string' || typeof sig !== 'string') {
    return mistake('request.signed', 'body must be the exact text that was signed, and sig its signature, both texts');
  }
  return { kind: 'signed', body, sig };
}

/** A JSON object. */
export function readDocument(text: string): ReadDocument {
  const json = parseJsonText(text);
  if (json.kind === 'mistake') {
    const { line, column, expected, found } = json.mistake;
    return mistake('request.not-json', `line ${line}, column ${column}: must be ${expected}, got ${found}`);
  }
  const { value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return mistake('request.not-object', 'must be a JSON object');
  }
  return { kind: 'document', document: value as Document };
}

/** What every request has, signed or not. `keys`: those that there may be. */
export function readRequest(
  id: string,
  document: Document,
  keys: readonly string[],
): Exclude<ParsedRequest, { readonly kind: 'signed' }> {
  const wrong = unknownKey(document, keys) ?? otherVersion(document);
  if (wrong !== undefined) return wrong;
  const { id: said = id, args = {}, expires, by } = document;
  if (said !== id) return mistake('request.id', `id must be the topic's last level, ${id}, got ${foundText(said)}`);
  if (by !== undefined && (typeof by !== 'string' || !BY.test(by))) {
    return mistake('request.by', 'by must be a text of 1 to 128 characters without control characters');
  }
  const expiresMs = timeOf(expires);
  if (Number.isNaN(expiresMs)) {
    return mistake(
      'request.expires',
      `expires must be a time such as "2026-11-23T17:00:00Z", got ${foundText(expires)}`,
    );
  }
  return { kind: 'request', request: { args, expiresMs, by } };
}

/**
 * Either end is one: that of `expires`, where the clock was ever set, and that of MQTT 5's message expiry interval, which
 * needs no clock and so also holds where this one is behind. `lapsesMs`: its end on the monotonic clock.
 */
export function isExpired({ expiresMs }: Request, lapsesMs: number, clock: Clock): boolean {
  if (clock.monotonicMs() >= lapsesMs) return true;
  return expiresMs !== undefined && clock.quality() !== 'unknown' && clock.wallMs() > expiresMs;
}

function unknownKey(document: Document, keys: readonly string[]): Mistake | undefined {
  const unknown = Object.keys(document).find((key) => !keys.includes(key));
  if (unknown === undefined) return undefined;
  const name = JSON.stringify(unknown.slice(0, 60));
  return mistake('request.unknown-key', `has no key ${name}; known are ${keys.join(', ')}`);
}

function otherVersion({ v = 1 }: Document): Mistake | undefined {
  return v === 1 ? undefined : mistake('request.version', `v must be 1, got ${foundText(v)}`);
}

/** NaN: not a time. */
function timeOf(expires: unknown): number | undefined {
  if (expires === undefined) return undefined;
  return typeof expires === 'string' && TIME.test(expires) ? Date.parse(expires) : Number.NaN;
}

export function foundText(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 60);
}

export function mistake(code: DeskErrorCode, message: string): Mistake {
  return { kind: 'mistake', error: { code, message } };
}
