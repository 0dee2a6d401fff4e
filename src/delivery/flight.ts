/**
 * The QoS 2 exchanges under way on one connection: a pure machine, `inputs in, effects out`, without clock or socket.
 * An event is `sent`, then `releasing` while its mark goes to disk, then `released` until PUBCOMP. The rule it holds is
 * MQTT-4.3.3: no PUBREL before the mark is on disk, and no PUBLISH after it. An exchange ends under the identifier that it
 * began with, whatever becomes of the event meanwhile.
 */
import type { StoredEvent } from '../ledger/event.ts';
import type { Ack } from './ack-scanner.ts';
import { judgePubrec, pubcompDone } from './reason-codes.ts';

export type FlightEffect =
  | { readonly kind: 'send-pubrel'; readonly identifier: number }
  /** Write a `released` mark; tell `releasedOnDisk` when it is there. */
  | { readonly kind: 'mark-released'; readonly life: number; readonly seq: number; readonly unheard: boolean }
  /** `stream` is '' when the exchange began on an earlier connection. */
  | { readonly kind: 'mark-handed'; readonly life: number; readonly seq: number; readonly stream: string }
  | {
      readonly kind: 'mark-dead';
      readonly life: number;
      readonly seq: number;
      readonly stream: string;
      readonly reason: number;
    }
  /** The exchange ended without success; the event is to be sent again after a pause. */
  | { readonly kind: 'later'; readonly seq: number; readonly reason: number }
  | { readonly kind: 'forbidden'; readonly life: number; readonly seq: number; readonly stream: string }
  /** Clean Start is the only way on. */
  | { readonly kind: 'session-lost'; readonly reason: number }
  | { readonly kind: 'protocol-error'; readonly what: string };

/** How an event leaves. */
export interface Way {
  readonly identifier: number;
  /** It is sent again, and has a lane of its own. */
  readonly again: boolean;
  /** It may have left before in this session. */
  readonly resent: boolean;
}

interface Exchange extends Way {
  readonly life: number;
  readonly seq: number;
  readonly stream: string;
  phase: 'sent' | 'releasing' | 'released';
}

export class Flight {
  readonly #byIdentifier = new Map<number, Exchange>();
  /** By life of the ledger, and sequence. */
  readonly #byEvent = new Map<number, Map<number, Exchange>>();
  #again = 0;
  /** Those whose next step is the broker's, in the order in which their packets left. */
  readonly #awaiting = new Set<Exchange>();
  /** Those whose next step is the disk's, in the order of their PUBRECs. */
  readonly #releasing = new Set<Exchange>();

  /** Exchanges that hold an identifier. */
  get size(): number {
    return this.#byIdentifier.size;
  }

  /**
   * What the broker should answer next: it answers in the order in which it was asked (MQTT 5, 4.6). One value for one step
   * of one exchange; undefined: nothing waits for the broker.
   */
  get awaited(): { readonly seq: number } | undefined {
    const [first] = this.#awaiting;
    return first;
  }

  /** What the disk should have next; as `awaited`. */
  get releasing(): { readonly seq: number } | undefined {
    const [first] = this.#releasing;
    return first;
  }

  /** Those of events that are sent again. */
  get again(): number {
    return this.#again;
  }

  /** Two events may share an identifier. */
  isFree(identifier: number): boolean {
    return !this.#byIdentifier.has(identifier);
  }

  has(life: number, seq: number): boolean {
    return this.#byEvent.get(life)?.has(seq) === true;
  }

  /** Sequences of a life that are in flight. */
  of(life: number): Iterable<number> {
    return this.#byEvent.get(life)?.keys() ?? [];
  }

  /** A PUBLISH is about to leave. */
  sent({ life, seq, stream }: StoredEvent, way: Way): void {
    this.#ask(this.#begin({ life, seq, stream, ...way, phase: 'sent' }));
  }

  /** An event whose `released` mark was on disk when the connection came up, or came there for an earlier one. */
  resumeReleased(life: number, seq: number, way: Omit<Way, 'resent'>): FlightEffect {
    return this.#pubrel(this.#begin({ life, seq, stream: '', ...way, resent: true, phase: 'released' }));
  }

  /** The `released` mark of this event is on disk. */
  releasedOnDisk(life: number, seq: number): FlightEffect | undefined {
    const exchange = this.#byEvent.get(life)?.get(seq);
    return exchange === undefined || exchange.phase === 'released' ? undefined : this.#pubrel(exchange);
  }

  ack(ack: Ack): FlightEffect | undefined {
    return ack.kind === 'pubrec' ? this.#pubrec(ack) : this.#pubcomp(ack);
  }

  #pubrel(exchange: Exchange): FlightEffect {
    exchange.phase = 'released';
    this.#releasing.delete(exchange);
    this.#ask(exchange);
    return { kind: 'send-pubrel', identifier: exchange.identifier };
  }

  /** A packet of this exchange leaves, and its turn to be answered is the last. */
  #ask(exchange: Exchange): void {
    this.#awaiting.delete(exchange);
    this.#awaiting.add(exchange);
  }

  #begin(exchange: Exchange): Exchange {
    const { life, seq, identifier, again } = exchange;
    this.#byIdentifier.set(identifier, exchange);
    const ofLife = this.#byEvent.get(life) ?? new Map<number, Exchange>();
    this.#byEvent.set(life, ofLife.set(seq, exchange));
    if (again) this.#again += 1;
    return exchange;
  }

  #end(exchange: Exchange): void {
    this.#byIdentifier.delete(exchange.identifier);
    this.#byEvent.get(exchange.life)?.delete(exchange.seq);
    this.#awaiting.delete(exchange);
    if (exchange.again) this.#again -= 1;
  }

  #pubrec({ identifier, reason }: Ack): FlightEffect | undefined {
    const exchange = this.#byIdentifier.get(identifier);
    // Not ours any more: PUBREL frees the broker's slot (MQTT 5, 4.3.3).
    if (exchange === undefined) return reason < 0x80 ? { kind: 'send-pubrel', identifier } : undefined;
    // A second PUBREC for one PUBLISH; the PUBREL is on its way.
    if (exchange.phase !== 'sent') return undefined;
    const { life, seq, stream } = exchange;
    const verdict = judgePubrec(reason, exchange.resent);
    if (verdict.kind === 'received') {
      exchange.phase = 'releasing';
      this.#awaiting.delete(exchange);
      this.#releasing.add(exchange);
      return { kind: 'mark-released', life, seq, unheard: verdict.unheard };
    }
    // MQTT 5, 4.3.3: a PUBREC of 0x80 or above ends the exchange and frees the identifier.
    this.#end(exchange);
    switch (verdict.kind) {
      case 'later':
        return { kind: 'later', seq, reason };
      case 'forbidden':
        return { kind: 'forbidden', life, seq, stream };
      case 'dead':
        return { kind: 'mark-dead', life, seq, stream, reason };
      case 'session-lost':
        return { kind: 'session-lost', reason };
      case 'protocol-error':
        return { kind: 'protocol-error', what: `PUBREC with reason code 0x${reason.toString(16)}` };
    }
  }

  #pubcomp({ identifier, reason }: Ack): FlightEffect | undefined {
    const exchange = this.#byIdentifier.get(identifier);
    if (exchange === undefined) return undefined;
    if (exchange.phase !== 'released') return { kind: 'protocol-error', what: 'PUBCOMP before PUBREL' };
    if (!pubcompDone(reason)) {
      return { kind: 'protocol-error', what: `PUBCOMP with reason code 0x${reason.toString(16)}` };
    }
    this.#end(exchange);
    const { life, seq, stream } = exchange;
    return { kind: 'mark-handed', life, seq, stream };
  }
}
