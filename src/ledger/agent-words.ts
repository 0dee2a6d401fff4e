/**
 * What an event of stream `agent` says of its ledger, read back from its text by whoever checks: a gap, a key, the epoch
 * before. The text may be anybody's, so every value is held to its form; what has none of them says nothing.
 */
import { AGENT_STREAM } from './state.ts';

export type AgentWord =
  | {
      readonly kind: 'gap';
      readonly epoch: string;
      readonly from: number;
      readonly through: number;
      readonly why: string;
    }
  /** `key`: who signs from here on, '' for nobody. `old`: who signed before, '' for nobody. `publicKey`: base64. */
  | { readonly kind: 'key'; readonly key: string; readonly old: string; readonly publicKey: string }
  /** `old`: the epoch before, '' for the first of a ledger; `oldLast`: the last sequence that it used. */
  | { readonly kind: 'epoch'; readonly epoch: string; readonly old: string; readonly oldLast: number };

/** The members by which an event says what it is. */
export interface SpokenText {
  readonly stream?: unknown;
  readonly type?: unknown;
  readonly data?: unknown;
}

const EPOCH = /^[A-Za-z0-9]{1,32}$/;
const KEY_ID = /^[\w-]{1,64}$/;

export function agentWord({ stream, type, data }: SpokenText): AgentWord | undefined {
  if (stream !== AGENT_STREAM) return undefined;
  if (type === 'ledger.gap') {
    const [epoch, from, through] = [valueOf(data, 'epoch'), sequenceOf(data, 'from'), sequenceOf(data, 'through')];
    if (!EPOCH.test(epoch) || from === undefined || through === undefined) return undefined;
    return from < 1 || through < from ? undefined : { kind: 'gap', epoch, from, through, why: valueOf(data, 'why') };
  }
  if (type === 'ledger.key') {
    const [key, old] = [valueOf(data, 'key'), valueOf(data, 'old_key')];
    if ([key, old].some((id) => id !== '' && !KEY_ID.test(id))) return undefined;
    return { kind: 'key', key, old, publicKey: valueOf(data, 'public') };
  }
  if (type === 'ledger.epoch') {
    const [epoch, old, oldLast] = [valueOf(data, 'epoch'), valueOf(data, 'old_epoch'), sequenceOf(data, 'old_last')];
    if (!EPOCH.test(epoch) || (old !== '' && !EPOCH.test(old))) return undefined;
    return { kind: 'epoch', epoch, old, oldLast: old === '' ? 0 : (oldLast ?? 0) };
  }
  return undefined;
}

function valueOf(data: unknown, name: string): string {
  const value = memberOf(memberOf(data, name), 'value');
  return typeof value === 'string' ? value : '';
}

function sequenceOf(data: unknown, name: string): number | undefined {
  const text = valueOf(data, name);
  const value = /^\d{1,16}$/.test(text) ? Number(text) : undefined;
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

function memberOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, name)
    ? (object as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
