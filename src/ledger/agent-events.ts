/**
 * The events that the ledger writes about itself, on stream `agent`: the start of an epoch, the key that signs from here
 * on, and the sequences that will never come. They are in the same sequence and chain as all others, so a consumer needs no second channel.
 */
import type { Chance, EventDraft, EventField, EventSigner } from '../ports.ts';
import { AGENT_STREAM, type LedgerState, type Life, type UnnamedGap } from './state.ts';

/** Crockford's alphabet: no letter that reads like a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const EPOCH_LETTERS = 8;

/** Forty bits of chance: two ledgers of one device never share an epoch. */
export function newEpochName(chance: Chance): string {
  return [...chance.bytes(EPOCH_LETTERS)].map((byte) => ALPHABET[byte & 31]).join('');
}

/** Gaps named in one commit; the rest waits for the next. */
const GAPS_MAX = 64;

/**
 * What the ledger has yet to say about itself. It follows from the state alone, so what a full disk or a crash kept from
 * being written is owed until it is; and the first event of an epoch is always `ledger.epoch`.
 */
export function owedDrafts(state: LedgerState, signer: EventSigner | undefined): EventDraft[] {
  const { live, lives, unnamed } = state;
  if (live === undefined) return [];
  const first = live.lastHash === '' ? [epochDraft(live, lives.at(-2))] : [];
  const key = (signer?.keyId ?? '') === state.key ? [] : [keyDraft(state.key, signer)];
  return [...first, ...key, ...unnamed.slice(0, GAPS_MAX).map(gapDraft)];
}

/** Gaps that `owedDrafts` leaves to the commits after the next one. */
export function gapsLeft(state: LedgerState): readonly UnnamedGap[] {
  return state.unnamed.slice(GAPS_MAX);
}

/** First event of an epoch. `before`: the life whose last sequence could not be known. */
function epochDraft(life: Life, before: Life | undefined): EventDraft {
  const data: Record<string, EventField> = { epoch: text(life.epoch) };
  if (before !== undefined) {
    data['old_epoch'] = text(before.epoch);
    data['old_last'] = text(String(before.last));
  }
  return { sensor: 'agent', stream: AGENT_STREAM, type: 'ledger.epoch', data };
}

/** A new key, a changed one, or, with an empty `key`, none any more. */
function keyDraft(before: string, signer: EventSigner | undefined): EventDraft {
  const data: Record<string, EventField> = { key: text(signer?.keyId ?? '') };
  if (signer !== undefined) {
    data['algorithm'] = text(signer.algorithm);
    data['public'] = text(signer.publicKey);
  }
  if (before !== '') data['old_key'] = text(before);
  return { sensor: 'agent', stream: AGENT_STREAM, type: 'ledger.key', data };
}

function gapDraft(gap: UnnamedGap): EventDraft {
  const data = {
    epoch: text(gap.epoch),
    from: text(String(gap.from)),
    through: text(String(gap.through)),
    why: text(gap.why),
  };
  return { sensor: 'agent', stream: AGENT_STREAM, type: 'ledger.gap', data };
}

function text(value: string): EventField {
  return { value, quality: 'good' };
}
