/**
 * The consumer's receipt (DESIGN 3 and 9.5), from bytes to a typed value or what is wrong with it; and what it means for
 * the lives of this ledger. Pure.
 */
import type { Life } from '../ledger/state.ts';
import type { Interval } from '../ledger/intervals.ts';
import { parseJsonText } from '../json-text.ts';
import { REQUEST_BYTES_MAX } from '../limits.ts';

export interface Receipt {
  readonly epoch: string;
  /** The consumer has every event of the epoch through this one. */
  readonly through: number;
  /** sha256 (base64url) of the event at `through`; undefined for 0. */
  readonly hash: string | undefined;
  /** Ranges that it asks to have sent again. */
  readonly want: readonly Interval[];
}

export type ParsedReceipt =
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  | { readonly kind: 'garbage'; readonly reason: string };

const EPOCH = /^[A-Za-z0-9]{1,32}$/;
const HASH = /^[\w-]{43}$/;
/** A consumer with more gaps asks for the others when these are filled. */
const WANT_MAX = 256;

export function parseReceipt(payload: Buffer): ParsedReceipt {
  if (payload.length > REQUEST_BYTES_MAX) return garbage(`${payload.length} bytes, at most ${REQUEST_BYTES_MAX}`);
  const json = parseJsonText(payload.toString('utf8'));
  if (json.kind === 'mistake') return garbage(`no JSON: must be ${json.mistake.expected}, got ${json.mistake.found}`);
  if (typeof json.value !== 'object' || json.value === null || Array.isArray(json.value))
    return garbage('no JSON object');
  // Members that this version does not know are the consumer's own.
  const { epoch, through, hash, want = [] } = json.value as Partial<Record<string, unknown>>;
  if (typeof epoch !== 'string' || !EPOCH.test(epoch)) return garbage('epoch is not the name of one');
  if (!isSequence(through)) return garbage('through is not a whole number from 0');
  if (through > 0 && (typeof hash !== 'string' || !HASH.test(hash))) {
    return garbage('hash is not the base64url sha256 of the event at through');
  }
  if (!Array.isArray(want) || want.length > WANT_MAX || !want.every(isRange)) {
    return garbage(`want is not a list of at most ${WANT_MAX} ranges [first, last]`);
  }
  return { kind: 'receipt', receipt: { epoch, through, hash: typeof hash === 'string' ? hash : undefined, want } };
}

export type ReceiptVerdict =
  /** Settle `life` through `through`, and `before` whole. */
  | { readonly kind: 'settle'; readonly life: Life; readonly through: number; readonly before: readonly Life[] }
  /** It takes something back. What it wants is honoured all the same: a consumer that lost its data asks so. */
  | { readonly kind: 'backward'; readonly life: Life; readonly settled: number }
  /** This ledger is an old copy of the one that the consumer knows. */
  | { readonly kind: 'fork'; readonly reason: string }
  /** Of an epoch that nothing is kept of, or an older one that does not fit: it changes nothing. */
  | { readonly kind: 'ignored'; readonly reason: string };

/** `ours`: the hash of our event at `through`, or undefined when it is not kept. */
export function judgeReceipt(receipt: Receipt, lives: readonly Life[], ours: string | undefined): ReceiptVerdict {
  const life = lives.find(({ epoch }) => epoch === receipt.epoch);
  if (life === undefined) return { kind: 'ignored', reason: `nothing is kept of epoch ${receipt.epoch}` };
  const isLive = life === lives.at(-1);
  const reason = mismatchOf(receipt, life, ours);
  if (reason !== undefined) return isLive ? { kind: 'fork', reason } : { kind: 'ignored', reason };
  const settled = life.settled.nextAbsent(life.first) - 1;
  if (receipt.through < Math.min(settled, life.last)) return { kind: 'backward', life, settled };
  // The first event of an epoch names the end of the one before: only who has it can know that nothing of that is missing.
  const before = receipt.through === 0 ? [] : lives.slice(0, lives.indexOf(life));
  return { kind: 'settle', life, through: receipt.through, before };
}

function mismatchOf({ epoch, through, hash }: Receipt, life: Life, ours: string | undefined): string | undefined {
  if (through > life.last) return `the consumer has ${epoch} through ${through}, this ledger through ${life.last}`;
  if (hash === undefined || ours === undefined || hash === ours) return undefined;
  return `the consumer's event ${through} of ${epoch} is another than this ledger's`;
}

function garbage(reason: string): ParsedReceipt {
  return { kind: 'garbage', reason };
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRange(value: unknown): value is [number, number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [from, through] = value as unknown[];
  return isSequence(from) && isSequence(through) && from >= 1 && from <= through;
}
