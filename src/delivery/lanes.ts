/**
 * What leaves next on one link. There are two lanes: one for what is new, of the life of the ledger that the session is for,
 * and one for what is sent again, of every life, oldest first. So a replay, of whatever epoch, does not stand before new
 * events, and no session has to be changed for it. It takes half of the window at most, and one place of it for certain.
 */
import type { StoredEvent } from '../ledger/event.ts';
import { type Interval, IntervalSet } from '../ledger/intervals.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Life } from '../ledger/state.ts';
import type { Clock, Log } from '../ports.ts';
import { Flight, type FlightEffect, type Way } from './flight.ts';
import { Outbox } from './outbox.ts';
import { identifierOf, replayIdentifierOf } from './packet.ts';

export interface LanesOptions {
  readonly ledger: Ledger;
  /** The one that the session is for. */
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
  /** What is sent `again` begins a new exchange, whatever was sent of it before. */
  readonly way: Omit<Way, 'resent'>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly flight = new Flight();
  readonly #new: Outbox;
  /** By life. */
  readonly #replays = new Map<number, Outbox>();
  /** Dead letters of this connection, also those whose mark is still on its way to disk. By life. */
  readonly #buried = new Map<number, Set<number>>();
  /** What is sent again may go. */
  mayReplay = false;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#new = new Outbox({ ...options, lane: 'new' });
  }

  /** The event that leaves now, if there is room for one; the caller begins its exchange, or buries it. */
  next(): Leaving | undefined {
    const { window, life } = this.#options;
    const { size, again } = this.flight;
    const replays = this.mayReplay && this.#lives.some(({ reopened }) => reopened.size > 0);
    const kept = replays && again === 0 && window > 1 ? 1 : 0;
    const leaving = size < window - kept ? this.#take(this.#new, life, false) : undefined;
    if (leaving !== undefined || !replays) return leaving;
    const share = Math.max(1, window >> 1);
    return size < window && again < share ? this.#takeAgain() : undefined;
  }

  bury(life: number, seq: number): void {
    this.#buried.set(life, (this.#buried.get(life) ?? new Set()).add(seq));
  }

  /** Events that a commit just brought. */
  offer(events: readonly StoredEvent[]): void {
    this.#new.offer(events);
  }

  /** What was passed over is looked at again. */
  rewind(): void {
    this.#new.rewind();
    for (const lane of this.#replays.values()) lane.rewind();
  }

  /** More of this life is to be sent again. */
  reopened({ ordinal, reopened }: Life): void {
    this.#replays.get(ordinal)?.rewind();
    // A dead letter that is tried again is no dead letter.
    const buried = this.#buried.get(ordinal) ?? new Set();
    for (const seq of buried) if (reopened.has(seq)) buried.delete(seq);
  }

  /**
   * The `released` mark of this event is on disk: of an exchange on this link, or of one on an earlier link in this session.
   * Undefined: another event has its identifier now; the next link finishes it.
   */
  released(life: Life, seq: number): FlightEffect | undefined {
    const { ordinal } = life;
    if (this.flight.has(ordinal, seq)) return this.flight.releasedOnDisk(ordinal, seq);
    const way = wayOf(life, seq);
    const isOurs = way.again || ordinal === this.#options.life.ordinal;
    return isOurs && this.flight.isFree(way.identifier) ? this.flight.resumeReleased(ordinal, seq, way) : undefined;
  }

  /**
   * What of the session's life is new and does not leave for as long as its streams are paused, once all else of it has left.
   */
  leftBehind(): readonly Interval[] {
    const { life, ledger } = this.#options;
    if (this.flight.size > this.flight.again || !this.#new.isThrough) return [];
    const left = new IntervalSet(life.last < life.first ? [] : [[life.first, life.last]]);
    for (const set of [life.handed, life.reopened, life.released]) {
      for (const [from, through] of set.intervals()) left.deleteRange(from, through);
    }
    for (const seq of [...life.dead.keys(), ...(this.#buried.get(life.ordinal) ?? [])]) left.delete(seq);
    for (const [from, through] of ledger.settlement.changing(life)) left.deleteRange(from, through);
    return left.intervals();
  }

  get #lives(): readonly Life[] {
    return this.#options.ledger.settlement.lives;
  }

  #takeAgain(): Leaving | undefined {
    for (const life of this.#lives) {
      if (life.reopened.size === 0) continue;
      const lane = this.#replays.get(life.ordinal) ?? new Outbox({ ...this.#options, life, lane: 'replay' });
      this.#replays.set(life.ordinal, lane);
      const leaving = this.#take(lane, life, true);
      // One life after the other: two of them have the same sequences, and so the same identifiers.
      if (leaving !== undefined || !lane.isThrough) return leaving;
    }
    return undefined;
  }

  #take(lane: Outbox, life: Life, again: boolean): Leaving | undefined {
    for (let event = lane.peek(); event !== undefined; event = lane.peek()) {
      const { seq, stream } = event;
      if (life.reopened.has(seq) !== again || this.#passOver(life, seq, stream)) {
        lane.take();
        continue;
      }
      const way = wayOf(life, seq);
      if (!this.flight.isFree(way.identifier)) return undefined;
      lane.take();
      return { event, way };
    }
    return undefined;
  }

  #passOver(life: Life, seq: number, stream: string): boolean {
    const { ledger, isPaused } = this.#options;
    const { ordinal, handed, dead, released } = life;
    if (isPaused(stream) || this.#buried.get(ordinal)?.has(seq) === true) return true;
    if (ledger.settlement.isChanging(life, seq) || this.flight.has(ordinal, seq)) return true;
    return handed.has(seq) || dead.has(seq) || released.has(seq);
  }
}

/** As the disk knows the event: what is sent again has an identifier of another range. */
function wayOf({ reopened }: Life, seq: number): Omit<Way, 'resent'> {
  const again = reopened.has(seq);
  return { again, identifier: again ? replayIdentifierOf(seq) : identifierOf(seq) };
}
