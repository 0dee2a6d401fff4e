/**
 * The events that wait to be sent, in order: taken straight from the commit while the sender keeps up, read back from
 * the ledger when it is behind. Holds a bounded stretch of them; where it stands is one sequence. There are two: one lane
 * for what is new, one for what is sent again, so that a long replay does not stand before new events.
 */
import type { StoredEvent } from '../ledger/event.ts';
import type { Ledger, ReadLane } from '../ledger/ledger.ts';
import type { Life } from '../ledger/state.ts';
import { reasonOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';

/** Bytes of events held ready; at 300 bytes an event this is some eight hundred. */
const READY_BYTES_MAX = 256 * 1024;

/** Pause after the disk refused to give events back, milliseconds. */
const RETRY_MS = 1000;

export interface OutboxOptions {
  readonly ledger: Ledger;
  readonly life: Life;
  readonly lane: ReadLane;
  readonly clock: Clock;
  readonly log: Log;
  /** Events were made ready, or are to be asked for again. */
  readonly onReady: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #life: Life;
  #ready: StoredEvent[] = [];
  #readyBytes = 0;
  /** The next sequence to make ready. */
  #next: number;
  #reading = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#life = options.life;
    this.#next = options.life.first;
  }

  /** Goes back to the oldest event that is not handed over. */
  rewind(): void {
    this.#ready = [];
    this.#readyBytes = 0;
    this.#next = this.#life.first;
  }

  /** The oldest ready event, without taking it. Starts to read when there is none. */
  peek(): StoredEvent | undefined {
    if (this.#ready.length === 0) this.#readBack();
    return this.#ready[0];
  }

  take(): void {
    const taken = this.#ready.shift();
    this.#readyBytes -= taken?.payload.length ?? 0;
  }

  /** Nothing of this lane lies before it: what is left was taken from it. */
  get isThrough(): boolean {
    if (this.#ready.length > 0 || this.#reading) return false;
    const wanted = this.#nextWanted(this.#next);
    return wanted === undefined || wanted > this.#life.last;
  }

  /** Events that a commit just brought. */
  offer(events: readonly StoredEvent[]): void {
    for (const event of events) {
      if (event.life !== this.#life.ordinal || event.seq !== this.#next || this.#readyBytes >= READY_BYTES_MAX) return;
      this.#push(event);
    }
  }

  /** The next sequence of this lane; undefined when there is none to read back. */
  #nextWanted(from: number): number | undefined {
    const { handed, reopened } = this.#life;
    if (this.#options.lane === 'replay') return reopened.nextPresent(from);
    let next = from;
    for (;;) {
      const unsent = handed.nextAbsent(next);
      next = reopened.nextAbsent(unsent);
      if (next === unsent) return next;
    }
  }

  #push(event: StoredEvent): void {
    this.#ready.push(event);
    this.#readyBytes += event.payload.length;
    this.#next = event.seq + 1;
  }

  #readBack(): void {
    const wanted = this.#nextWanted(this.#next);
    if (wanted === undefined) return;
    this.#next = wanted;
    if (this.#reading || this.#next > this.#life.last) return;
    this.#reading = true;
    const from = this.#next;
    const { ledger, log, clock, onReady } = this.#options;
    void ledger
      .read(this.#life, from, READY_BYTES_MAX, this.#options.lane)
      .then(({ events, next }) => {
        this.#reading = false;
        // Where a rewind or a commit's own events came between, what was read is not what is wanted now.
        if (this.#next === from) {
          for (const event of events) this.#push(event);
          this.#next = Math.max(this.#next, next);
        }
        onReady();
      })
      .catch((error: unknown) => {
        this.#reading = false;
        log.error('ledger: events could not be read back', { from, reason: reasonOf(error) });
        clock.after(RETRY_MS, onReady);
      });
  }
}
