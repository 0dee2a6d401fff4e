/**
 * The events that the ledger writes about itself, on stream `agent`: the start of an epoch, and the sequences that will
 * never come. They are in the same sequence and chain as all others, so a consumer needs no second channel.
 */
import type { Chance, EventDraft, EventField } from '../ports.ts';
import type { Life, UnnamedGap } from './state.ts';

/** Crockford's alphabet: no letter that reads like a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const EPOCH_LETTERS = 8;

/** Forty bits of chance: two ledgers of one device never share an epoch. */
export function newEpochName(chance: Chance): string {
  return [...chance.bytes(EPOCH_LETTERS)].map((byte) => ALPHABET[byte & 31]).join('');
}

/** First event of an epoch. `before`: the life whose last sequence could not be known. */
export function epochDraft(life: Life, before: Life | undefined): EventDraft {
  const data: Record<string, EventField> = { epoch: text(life.epoch) };
  if (before !== undefined) {
    data['old_epoch'] = text(before.epoch);
    data['old_last'] = text(String(before.last));
  }
  return { sensor: 'agent', stream: 'agent', type: 'ledger.epoch', data };
}

export function gapDraft(gap: UnnamedGap, epoch: string): EventDraft {
  const data = {
    epoch: text(epoch),
    from: text(String(gap.from)),
    through: text(String(gap.through)),
    why: text(gap.why),
  };
  return { sensor: 'agent', stream: 'agent', type: 'ledger.gap', data };
}

function text(value: string): EventField {
  return { value, quality: 'good' };
}
