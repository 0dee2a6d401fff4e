/**
 * What of a device must outlive a restart and is in no file of events that is read again: `device-<device>.json`. It is on
 * stable storage before the events that it was learned from are acknowledged.
 */
import type { Interval } from '../ledger/intervals.ts';
import type { EpochRecord } from './epoch-book.ts';
import { isEpochName, isSequence } from './event-text.ts';
import { type KeptProof, parseKeptProof } from './proof.ts';

/** Keys that one device named, the newest ones; SubjectPublicKeyInfo in base64 has 60 or 124 letters. */
const KEYS_MAX = 64;
const KEY_LETTERS_MAX = 1024;

export interface DeviceState {
  /** In the order in which they were seen first, or as the device lists them. */
  readonly epochs: readonly EpochRecord[];
  /** That the device named, the newest last. */
  readonly keys: readonly string[];
  /** What checking must not forget; not there before the first check. */
  readonly proof?: KeptProof;
}

/** What is no key is none to keep: its event says it, and a document has a bound. */
export function withKey(keys: readonly string[], key: string): readonly string[] {
  if (key === '' || key.length > KEY_LETTERS_MAX) return keys;
  return [...keys.filter((one) => one !== key), key].slice(-KEYS_MAX);
}

export function parseDeviceState(found: unknown): DeviceState | undefined {
  const { epochs, keys, proof } = (found ?? {}) as Partial<Record<keyof DeviceState, unknown>>;
  if (!Array.isArray(epochs) || !epochs.every(isRecord)) return undefined;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return undefined;
  const checked = proof === undefined ? undefined : parseKeptProof(proof);
  if (proof !== undefined && checked === undefined) return undefined;
  return { epochs, keys, ...(checked === undefined ? {} : { proof: checked }) };
}

function isRecord(found: unknown): found is EpochRecord {
  const { epoch, oldEpoch, oldLast, last, gaps, lost } = (found ?? {}) as Partial<Record<keyof EpochRecord, unknown>>;
  const named = typeof epoch === 'string' && isEpochName(epoch) && typeof oldEpoch === 'string';
  return named && isSequence(oldLast) && (last === undefined || isSequence(last)) && areRanges(gaps) && areRanges(lost);
}

function areRanges(found: unknown): boolean {
  return found === undefined || (Array.isArray(found) && found.every(isRange));
}

export function isRange(found: unknown): found is Interval {
  const [from, through] = (Array.isArray(found) ? found : []) as unknown[];
  return isSequence(from) && isSequence(through) && from >= 1 && from <= through;
}
