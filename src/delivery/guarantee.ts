/**
 * What holds for events on this broker, judged by what it said in CONNACK. Pure. Said aloud in log and status: a weaker
 * guarantee that nobody knows of is worse than none.
 */
import type { LinkTerms, Protocol } from '../ports-broker.ts';

export type GuaranteeWord = 'exactly-once-with-receipts' | 'exactly-once' | 'repeats' | 'refusals-unseen' | 'held';

export interface Guarantee {
  readonly word: GuaranteeWord;
  readonly why: string;
  /** Why no events may leave at all; undefined: they may. */
  readonly held: string | undefined;
  /** What the broker does not have: `retain`, `session`. */
  readonly lacks: readonly string[];
}

export interface GuaranteeWishes {
  readonly protocol: Protocol;
  /** Milliseconds. */
  readonly sessionExpiry: number;
  readonly receipts: boolean;
}

/** A session that is kept for less than this part of what was asked is gone when it is needed. */
const EXPIRY_PART = 0.5;

export function guaranteeOf(terms: LinkTerms, wishes: GuaranteeWishes): Guarantee {
  const expiryS = wishes.protocol === 5 ? terms.sessionExpirySeconds : undefined;
  const short = expiryS !== undefined && expiryS * 1000 < wishes.sessionExpiry * EXPIRY_PART;
  const lacks = [...(terms.retainAvailable ? [] : ['retain']), ...(short ? ['session'] : [])];
  if (terms.maximumQos < 2) {
    const held = `the broker offers QoS ${terms.maximumQos} at most`;
    return { word: 'held', why: held, held, lacks };
  }
  const is = (word: GuaranteeWord, why: string): Guarantee => ({ word, why, held: undefined, lacks });
  if (wishes.receipts) return is('exactly-once-with-receipts', "events stay until the consumer's receipt covers them");
  if (short) return is('repeats', `the broker keeps our session for ${expiryS} s only`);
  if (wishes.protocol === 4) return is('refusals-unseen', 'over MQTT 3.1.1 a broker can not refuse an event aloud');
  return is('exactly-once', 'while the broker keeps its state; receipts are off');
}
