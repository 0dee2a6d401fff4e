/**
 * How long the sender waits for the exchange whose turn it is. A broker that does not answer it is given up with its link;
 * one that is slow, and answers them one by one, is not. A mark that does not come to disk is the disk's fault, for which
 * no link is given up: unless the ledger writes, and has not written this one.
 */
import type { Clock, Log, Timer } from '../ports.ts';
import type { Link } from '../ports-broker.ts';
import type { Flight } from './flight.ts';

/** Milliseconds. */
const ANSWER_MS = 30_000;
const RELEASE_MS = 30_000;
/** The one that was under way when the mark was asked for, and the mark's own. */
const COMMITS = 2;

interface Turn {
  readonly of: { readonly seq: number };
  readonly timer: Timer;
}

export class Patience {
  readonly #clock: Clock;
  readonly #log: Log;
  #broker: Turn | undefined;
  #disk: Turn | undefined;
  /** Since the mark that is waited for now was asked for. */
  #commits = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** To be called whenever the flight has changed: the time begins anew with each turn. */
  with({ awaited, releasing }: Flight, link: Link): void {
    if (awaited !== this.#broker?.of) {
      this.#broker?.timer.cancel();
      this.#broker = awaited && { of: awaited, timer: this.#clock.after(ANSWER_MS, () => silent(link, awaited.seq)) };
    }
    if (releasing === this.#disk?.of) return;
    this.#disk?.timer.cancel();
    this.#commits = 0;
    this.#disk = releasing && { of: releasing, timer: this.#watchDisk(link, releasing.seq) };
  }

  /** The ledger has written a commit. */
  committed(): void {
    this.#commits += 1;
  }

  end(): void {
    this.#broker?.timer.cancel();
    this.#disk?.timer.cancel();
    this.#broker = undefined;
    this.#disk = undefined;
  }

  #watchDisk(link: Link, seq: number): Timer {
    return this.#clock.after(RELEASE_MS, () => {
      const writes = this.#commits >= COMMITS;
      this.#log.error('ledger: an event waits to be released', { seq, for_ms: RELEASE_MS, others_are_written: writes });
      // Sent again on the next link, under the same identifier.
      if (writes) link.destroy({ word: 'own.ended', text: `event ${seq} was not released` });
    });
  }
}

function silent(link: Link, seq: number): void {
  link.destroy({ word: 'broker.silent', text: `no acknowledgement of event ${seq} for ${ANSWER_MS / 1000} s` });
}
