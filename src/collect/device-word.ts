/**
 * What a device's status says that it keeps of its events: the epoch that new ones join, and those before it. It is the only
 * evidence that a missing event will not come. Pure. What comes from a broker may be anything; numbers are held to the bound
 * of a sequence here.
 */
import { OLDER_EPOCHS_MAX } from '../ledger/figures.ts';
import { isEpochName, isSequence } from './event-text.ts';

export interface KeptEpoch {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
}

export interface DeviceWord {
  /** The live epoch stands last. */
  readonly keeps: readonly KeptEpoch[];
  /** Nothing is kept of an epoch that `keeps` does not name. */
  readonly whole: boolean;
}

/** Undefined: the status, or what the broker gave us for one, says nothing of the ledger. A will does not. */
export function readWord(payload: Buffer): DeviceWord | undefined {
  let ledger: unknown;
  try {
    ({ ledger } = JSON.parse(payload.toString('utf8')) as { readonly ledger?: unknown });
  } catch {
    return undefined;
  }
  if (typeof ledger !== 'object' || ledger === null) return undefined;
  const { older } = ledger as { readonly older?: unknown };
  const listed = Array.isArray(older) && older.length <= OLDER_EPOCHS_MAX ? (older as unknown[]) : undefined;
  const keeps = [...(listed ?? []), ledger].map(keptOf);
  if (!keeps.every((one) => one !== undefined)) return undefined;
  return { keeps, whole: listed !== undefined && listed.length < OLDER_EPOCHS_MAX };
}

function keptOf(found: unknown): KeptEpoch | undefined {
  const { epoch, first, last } = (found ?? {}) as Partial<Record<keyof KeptEpoch, unknown>>;
  return typeof epoch === 'string' && isEpochName(epoch) && isSequence(first) && isSequence(last)
    ? { epoch, first, last }
    : undefined;
}
