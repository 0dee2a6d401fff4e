/**
 * The documents of the remote configuration as bytes: each a line {v, sha256, data}, so that a torn or rotten file is known
 * for one. An overlay is a merge patch against device.json, together with what that file said at the same places.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { isTable, type Table } from './merge-patch.ts';
import type { ConfigState } from './trial.ts';

/** Beyond what device.json may have; nothing larger was written by us. */
export const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;

export interface Overlay {
  readonly patch: Table;
  /** By pointer of a leaf: sha256 of what device.json said there when this was made. */
  readonly was: Readonly<Record<string, string>>;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

export function encodeDocument(value: unknown): Buffer {
  const data = JSON.stringify(value);
  return Buffer.from(`{"v":1,"sha256":"${sha256(data)}","data":${data}}\n`, 'utf8');
}

/** Undefined: not what was written. */
export function decodeDocument(bytes: Buffer): unknown {
  if (bytes.length > DOCUMENT_BYTES_MAX) return undefined;
  const [, digest, data = ''] = /^\{"v":1,"sha256":"([\w-]{43})","data":(.*)\}\n$/s.exec(bytes.toString('utf8')) ?? [];
  return digest === undefined || digest !== sha256(data) ? undefined : (JSON.parse(data) as unknown);
}

const overlaySchema = v.object({ patch: v.custom<Table>(isTable), was: v.record(v.string(), v.string()) });

const count = v.pipe(v.number(), v.safeInteger());
const revisionEntries = { revision: count, file: v.nullable(v.string()), sha: v.nullable(v.string()) };
const requestEntries = { command: v.string(), id: v.string(), by: v.exactOptional(v.string()) };

const stateSchema = v.object({
  seq: count,
  good: v.object(revisionEntries),
  previous: v.nullable(v.object(revisionEntries)),
  trial: v.nullable(
    v.object({
      ...revisionEntries,
      ...requestEntries,
      mode: v.picklist(['operator', 'local']),
      checked: v.boolean(),
      token: v.string(),
      boot: v.string(),
      sinceMs: v.number(),
      withinMs: v.number(),
      starts: count,
    }),
  ),
  history: v.array(
    v.object({
      ...requestEntries,
      revision: count,
      at: v.exactOptional(v.string()),
      outcome: v.picklist(['confirmed', 'reverted']),
      why: v.string(),
      hash: v.string(),
      token: v.exactOptional(v.string()),
    }),
  ),
});

export function parseState(found: unknown): ConfigState | undefined {
  const parsed = v.safeParse(stateSchema, found);
  return parsed.success ? parsed.output : undefined;
}

export function parseOverlay(found: unknown): Overlay | undefined {
  const parsed = v.safeParse(overlaySchema, found);
  return parsed.success ? parsed.output : undefined;
}
