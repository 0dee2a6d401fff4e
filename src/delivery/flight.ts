/**
 * The QoS 2 exchanges under way on one connection: a pure machine, `inputs in, effects out`, without clock or socket.
 * An event is `sent`, then `releasing` while its mark goes to disk, then `released` until PUBCOMP. The rule it holds is
 * MQTT-4.3.3: no PUBREL before the mark is on disk, and no PUBLISH after it.
 */
import type { StoredEvent } from '../ledger/event.ts';
import type { Ack } from './ack-scanner.ts';
import { judgePubrec, pubcompDone } from './reason-codes.ts';

export type FlightEffect =
  | { readonly kind: 'send-pubrel'; readonly identifier: number }
  /** Write a `released` mark; tell `releasedOnDisk` when it is there. */
  | { readonly kind: 'mark-released'; readonly seq: number; readonly unheard: boolean }
  /** `stream` is '' when the exchange began on an earlier connection. */
  | { readonly kind: 'mark-handed'; readonly seq: number; readonly stream: string }
  | { readonly kind: 'mark-dead'; readonly seq: number; readonly stream: string; readonly reason: number }
  /** The exchange ended without success; the event is to be sent again after a pause. */
  | { readonly kind: 'later'; readonly seq: number; readonly reason: number }
  | { readonly kind: 'forbidden'; readonly seq: number; readonly stream: string }
  /** Clean Start is the only way on. */
  | { readonly kind: 'session-lost'; readonly reason: number }
  | { readonly kind: 'protocol-error'; readonly what: string };

interface Exchange {
  readonly seq: number;
  readonly stream: string;
  readonly resent: boolean;
  phase: 'sent' | 'releasing' | 'released';
}

export class Flight {
  readonly #byIdentifier = new Map<number, Exchange>();
  /** Those whose next step is the broker's, in the order in which their packets left. `releasing` waits for the disk. */
  readonly #awaiting = new Set<Exchange>();
  /** The identifier of an event; another one while it is being sent again. */
  readonly #identifierOf: (seq: number) => number;

  constructor(identifierOf: (seq: number) => number) {
    this.#identifierOf = identifierOf;
  }

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

  /** Whether the event's identifier is free. Two events may share one. */
  isFree(seq: number): boolean {
    return !this.#byIdentifier.has(this.#identifierOf(seq));
  }

  has(seq: number): boolean {
    return this.#byIdentifier.get(this.#identifierOf(seq))?.seq === seq;
  }

  /** A PUBLISH is about to leave. `resent`: it may have left before in this session. */
  sent(event: StoredEvent, resent: boolean): void {
    const { seq, stream } = event;
    this.#ask({ seq, stream, resent, phase: 'sent' });
  }

  /** An event whose `released` mark was on disk when the connection came up. */
  resumeReleased(seq: number, stream = ''): FlightEffect {
    this.#ask({ seq, stream, resent: true, phase: 'released' });
    return { kind: 'send-pubrel', identifier: this.#identifierOf(seq) };
  }

  /** The `released` mark of this event is on disk. */
  releasedOnDisk(seq: number): FlightEffect | undefined {
    const identifier = this.#identifierOf(seq);
    const known = this.#byIdentifier.get(identifier);
    if (known !== undefined && known.seq !== seq) return undefined;
    if (known?.phase === 'released') return undefined;
    return this.resumeReleased(seq, known?.stream);
  }

  ack(ack: Ack): FlightEffect | undefined {
    return ack.kind === 'pubrec' ? this.#pubrec(ack) : this.#pubcomp(ack);
  }

  /** A packet of this exchange leaves, and its turn to be answered is the last. */
  #ask(exchange: Exchange): void {
    const identifier = this.#identifierOf(exchange.seq);
    const before = this.#byIdentifier.get(identifier);
    if (before !== undefined) this.#awaiting.delete(before);
    this.#byIdentifier.set(identifier, exchange);
    this.#awaiting.add(exchange);
  }

  #pubrec({ identifier, reason }: Ack): FlightEffect | undefined {
    const exchange = this.#byIdentifier.get(identifier);
    // Not ours any more: PUBREL frees the broker's slot (MQTT 5, 4.3.3).
    if (exchange === undefined) return reason < 0x80 ? { kind: 'send-pubrel', identifier } : undefined;
    // A second PUBREC for one PUBLISH; the PUBREL is on its way.
    if (exchange.phase !== 'sent') return undefined;
    this.#awaiting.delete(exchange);
    const { seq, stream } = exchange;
    const verdict = judgePubrec(reason, exchange.resent);
    if (verdict.kind === 'received') {
      exchange.phase = 'releasing';
      return { kind: 'mark-released', seq, unheard: verdict.unheard };
    }
    // MQTT 5, 4.3.3: a PUBREC of 0x80 or above ends the exchange and frees the identifier.
    this.#byIdentifier.delete(identifier);
    switch (verdict.kind) {
      case 'later':
        return { kind: 'later', seq, reason };
      case 'forbidden':
        return { kind: 'forbidden', seq, stream };
      case 'dead':
        return { kind: 'mark-dead', seq, stream, reason };
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
    this.#byIdentifier.delete(identifier);
    this.#awaiting.delete(exchange);
    return { kind: 'mark-handed', seq: exchange.seq, stream: exchange.stream };
  }
}
