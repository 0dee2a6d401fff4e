/**
 * What leaves next on one link. There are two lanes: one for what is new, one for what is sent again, so that a long replay
 * does not stand before new events. It takes half of the window at most, and one place of it for certain.
 */
import type { StoredEvent } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Life } from '../ledger/state.ts';
import type { Clock, Log } from '../ports.ts';
import { Flight, type FlightEffect } from './flight.ts';
import { Outbox } from './outbox.ts';
import { identifierOf, replayIdentifierOf } from './packet.ts';

export interface LanesOptions {
  readonly ledger: Ledger;
  readonly life: Life;
  readonly clock: Clock;
  readonly log: Log;
  readonly window: number;
  /** Whether events of this stream are to wait. */
  readonly isPaused: (stream: string) => boolean;
  /** `next` may have something now. */
  readonly onReady: () => void;
}

export interface Leaving {
  readonly event: StoredEvent;
  readonly identifier: number;
  /** It begins a new exchange, whatever was sent of it before. */
  readonly again: boolean;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly flight = new Flight();
  readonly #new: Outbox;
  readonly #replay: Outbox;
  /** In flight from the replay lane. */
  readonly #replaying = new Set<number>();
  /** Dead letters of this connection, also those whose mark is still on its way to disk. */
  readonly #buried = new Set<number>();
  /** What is sent again may go. */
  mayReplay = false;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#new = new Outbox({ ...options, lane: 'new' });
    this.#replay = new Outbox({ ...options, lane: 'replay' });
  }

  get replaying(): Iterable<number> {
    return this.#replaying;
  }

  /** The event that leaves now, if there is room for one; the caller begins its exchange, or ends it. */
  next(): Leaving | undefined {
    const { window, life } = this.#options;
    const replays = this.mayReplay && life.reopened.size > 0;
    const kept = replays && this.#replaying.size === 0 && window > 1 ? 1 : 0;
    const leaving = this.flight.size < window - kept ? this.#take(this.#new) : undefined;
    if (leaving !== undefined || !replays) return leaving;
    const share = Math.max(1, window >> 1);
    return this.flight.size < window && this.#replaying.size < share ? this.#take(this.#replay) : undefined;
  }

  /** Its exchange is over: as it should be, or the event is to leave once more. */
  ended(seq: number): void {
    this.#replaying.delete(seq);
  }

  bury(seq: number): void {
    this.#replaying.delete(seq);
    this.#buried.add(seq);
  }

  /** Events that a commit just brought. */
  offer(events: readonly StoredEvent[]): void {
    this.#new.offer(events);
  }

  /** What was passed over is looked at again. */
  rewind(): void {
    this.#new.rewind();
    this.#replay.rewind();
  }

  /** More is to be sent again. */
  reopened(): void {
    this.#replay.rewind();
    // A dead letter that is tried again is no dead letter.
    const { reopened } = this.#options.life;
    for (const seq of this.#buried) if (reopened.has(seq)) this.#buried.delete(seq);
  }

  /**
   * The `released` mark of this event is on disk: of an exchange on this link, or of one on an earlier link in this session.
   * Undefined: another event has its identifier now; the next link finishes it.
   */
  released(seq: number): FlightEffect | undefined {
    if (this.flight.has(seq)) return this.flight.releasedOnDisk(seq);
    const identifier = this.#identifierOf(seq);
    if (!this.flight.isFree(identifier)) return undefined;
    if (this.#options.life.reopened.has(seq)) this.#replaying.add(seq);
    return this.flight.resumeReleased(seq, identifier);
  }

  /** Of another range while the event is sent again. The exchange keeps the one that it began with. */
  #identifierOf(seq: number): number {
    return this.#options.life.reopened.has(seq) ? replayIdentifierOf(seq) : identifierOf(seq);
  }

  #take(lane: Outbox): Leaving | undefined {
    const again = lane === this.#replay;
    for (let event = lane.peek(); event !== undefined; event = lane.peek()) {
      const { seq, stream } = event;
      if (this.#options.life.reopened.has(seq) !== again || this.#passOver(seq, stream)) {
        lane.take();
        continue;
      }
      const identifier = this.#identifierOf(seq);
      if (!this.flight.isFree(identifier)) return undefined;
      lane.take();
      if (again) this.#replaying.add(seq);
      return { event, identifier, again };
    }
    return undefined;
  }

  #passOver(seq: number, stream: string): boolean {
    const { life, ledger, isPaused } = this.#options;
    if (isPaused(stream) || this.#buried.has(seq) || ledger.settlement.isSpared(life, seq)) return true;
    return life.handed.has(seq) || life.dead.has(seq) || life.released.has(seq) || this.flight.has(seq);
  }
}
