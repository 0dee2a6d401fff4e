/**
 * What an operator can see and do about events: figures by epoch, dead letters, sending again, giving up. The commands
 * `events.*` are answered from here.
 */
import type { Ledger } from '../ledger/ledger.ts';
import { type Life, pendingCount, unsettledCount } from '../ledger/state.ts';
import type { Receipts } from './receipts.ts';
import type { Sender } from './sender.ts';

/** Dead letters that one answer names. */
const DEAD_MAX = 100;

export interface EventCareOptions {
  readonly ledger: Ledger;
  readonly sender: Sender;
  readonly receipts: Receipts;
  readonly settlesByReceipt: boolean;
}

export class EventCare {
  readonly #options: EventCareOptions;

  constructor(options: EventCareOptions) {
    this.#options = options;
  }

  stat(): Readonly<Record<string, unknown>> {
    const { ledger, sender, receipts, settlesByReceipt } = this.#options;
    const { epoch, through, taken, refused, refusal, reopened } = receipts.figures;
    const { handed, unheard, inFlight, forbidden } = sender.figures;
    return {
      epochs: ledger.settlement.lives.map((life) => ({
        epoch: life.epoch,
        first: life.first,
        last: life.last,
        unsent: pendingCount(life),
        unsettled: unsettledCount(life, settlesByReceipt),
        settled_through: settlesByReceipt ? ledger.settlement.settledThrough(life) : undefined,
        again: life.reopened.size,
        dead: life.dead.size,
        lost: life.lost.countWithin(life.first, life.last),
      })),
      bytes: ledger.figures.bytes,
      refused: ledger.figures.refused,
      sent: { handed, in_flight: inFlight, unheard, forbidden },
      receipts: { on: settlesByReceipt, epoch, through, taken, refused, refusal, reopened },
    };
  }

  /** Undefined: nothing is kept of that epoch. */
  replay(epoch: string | undefined, from: number, to: number): { epoch: string; events: number } | undefined {
    const life = this.#life(epoch);
    if (life === undefined) return undefined;
    return { epoch: life.epoch, events: this.#options.ledger.settlement.reopen(life, from, to).size };
  }

  dead(): { dead: readonly { epoch: string; seq: number; code: number }[]; more: number } {
    const all = this.#lives.flatMap((life) => [...life.dead].map(([seq, code]) => ({ epoch: life.epoch, seq, code })));
    return { dead: all.slice(0, DEAD_MAX), more: Math.max(0, all.length - DEAD_MAX) };
  }

  /** Tries dead letters again: one, or all of an epoch. */
  retry(epoch: string | undefined, seq: number | undefined): { events: number } {
    let events = 0;
    for (const life of epoch === undefined ? this.#lives : this.#lives.filter((one) => one.epoch === epoch)) {
      const { settlement } = this.#options.ledger;
      if (seq === undefined) events += settlement.reopenDead(life);
      else if (life.dead.has(seq)) events += settlement.reopen(life, seq, seq).size;
    }
    return { events };
  }

  /** Gives a dead letter up for good. False: there is none by that number. */
  abandon(epoch: string | undefined, seq: number): boolean {
    const life = this.#life(epoch);
    return life !== undefined && this.#options.ledger.settlement.giveUp(life, seq);
  }

  get #lives(): readonly Life[] {
    return this.#options.ledger.settlement.lives;
  }

  /** By default the one that new events join. */
  #life(epoch: string | undefined): Life | undefined {
    return epoch === undefined ? this.#lives.at(-1) : this.#lives.find((life) => life.epoch === epoch);
  }
}
