/**
 * An event as a consumer reads it: from a topic and bytes to what it says of itself, or why it is none. Pure. What comes
 * from a broker may be anything; names become file names here, so they are held to the contract's letters.
 */
import { eventHash } from '../ledger/event.ts';
import type { SignedText } from '../ledger/key-ring.ts';
import { EVENT_BYTES_MAX } from '../limits.ts';

export interface ReceivedEvent {
  readonly device: string;
  readonly epoch: string;
  readonly seq: number;
  readonly prev: string;
  /** sha256 of the bytes, base64url. */
  readonly hash: string;
  readonly bytes: Buffer;
  readonly text: SignedText;
}

export type ReadEvent =
  | { readonly kind: 'event'; readonly event: ReceivedEvent }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** An event is within EVENT_BYTES_MAX by the count of its device, which is done before it is stamped. */
const TEXT_BYTES_MAX = 2 * EVENT_BYTES_MAX;
const DEVICE = /^[A-Za-z0-9._-]{1,64}$/;
const EPOCH = /^[A-Za-z0-9]{1,32}$/;
/** A device that sells once a second needs thirty years for it; the index of an epoch has a place for each. */
export const SEQ_MAX = 1_000_000_000;

export function isDeviceName(level: string): boolean {
  return DEVICE.test(level);
}

export function isEpochName(text: string): boolean {
  return EPOCH.test(text);
}

/** 0 stands for none. */
export function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= SEQ_MAX;
}

/** `device`: the topic's. An event that says it is another's is none: a broker's rules tie the topic to a certificate. */
export function readEvent(device: string, bytes: Buffer): ReadEvent {
  const unreadable = (reason: string): ReadEvent => ({ kind: 'unreadable', reason });
  if (!isDeviceName(device)) return unreadable('the topic names no device');
  if (bytes.length > TEXT_BYTES_MAX)
    return unreadable(`has ${bytes.length} bytes, an event at most ${EVENT_BYTES_MAX}`);
  if (bytes.includes(10)) return unreadable('holds a line end');
  let read: unknown;
  try {
    read = JSON.parse(bytes.toString('utf8'));
  } catch {
    return unreadable('is no JSON');
  }
  if (typeof read !== 'object' || read === null) return unreadable('is no JSON object');
  const text = read as SignedText & Partial<Record<'device' | 'epoch' | 'seq' | 'prev', unknown>>;
  const { epoch, seq, prev = '' } = text;
  if (text.device !== device) return unreadable('is of another device than its topic');
  if (typeof epoch !== 'string' || !isEpochName(epoch)) return unreadable('has no epoch');
  if (!isSequence(seq) || seq === 0) return unreadable('has no sequence');
  if (typeof prev !== 'string') return unreadable('has no prev');
  return { kind: 'event', event: { device, epoch, seq, prev, hash: eventHash(bytes), bytes, text } };
}

/** The device that a kept line names; '' for none. */
export function deviceOf(line: Buffer): string {
  try {
    const { device } = JSON.parse(line.toString('utf8')) as { readonly device?: unknown };
    return typeof device === 'string' ? device : '';
  } catch {
    return '';
  }
}
