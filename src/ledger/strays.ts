/**
 * Streams whose events stay behind while others' leave: an access rule forbids them, or the broker refuses their events for
 * good. Each such event is a hole in what is handed over, and the ledger has to remember every hole in each snapshot.
 * Above a bound these streams' new events are refused, so that what the others pay for it stays small; the others go on.
 * Nothing here can hold up a mark: what drains the holes is never refused.
 */
import type { Log } from '../ports.ts';
import type { WaitingAppend } from './append-queue.ts';
import type { StoredEvent } from './event.ts';
import { Refusals } from './refusals.ts';
import type { Life } from './state.ts';

/** A snapshot of so many pieces takes some 300 KiB, twice in each segment. */
const PIECES_MAX = 100_000;
/** Once refused, they are taken again below this part of the bound, so that it does not come and go with each event. */
const TAKEN_AGAIN = 0.9;
/** Dead letters of one stream, as a part of the bound, above which it is a stray: a few old ones are not why it is reached. */
const DEAD_PART = 0.01;
/** Streams remembered; a device has a few. */
const STREAMS_MAX = 256;

export interface StraysOptions {
  readonly log: Log;
  /** Pieces (intervals and dead letters) of the ledger's state above which strays are refused; default 100,000. */
  readonly piecesMax?: number;
  readonly onRefusing?: () => void;
}

export class Strays {
  readonly refusals: Refusals;
  readonly #piecesMax: number;
  readonly #heldBack = new Set<string>();
  /** Dead letters by stream. Not which ones: of those that were cared for since, some are counted still. */
  readonly #dying = new Map<string, number>();
  /** Dead letters that there are, of all streams. */
  #dead = 0;
  #isOver = false;

  constructor({ log, piecesMax, onRefusing }: StraysOptions) {
    this.#piecesMax = piecesMax ?? PIECES_MAX;
    this.refusals = new Refusals(log, () => onRefusing?.());
  }

  /** An event of this stream was passed over, and others leave. */
  holdBack(stream: string): void {
    if (stream !== '' && this.#heldBack.size < STREAMS_MAX) this.#heldBack.add(stream);
  }

  /** An event of this stream was handed over. */
  leaves(stream: string): void {
    this.#heldBack.delete(stream);
  }

  /** An event of this stream became a dead letter. Others of it may leave: only an operator's care drains these. */
  died(stream: string, count = 1): void {
    this.#heldBack.delete(stream);
    if (this.#dying.has(stream) || this.#dying.size < STREAMS_MAX) {
      this.#dying.set(stream, (this.#dying.get(stream) ?? 0) + count);
    }
  }

  /** After a start no broker has refused anything yet: some of the `events` that were left behind tell which streams those are. */
  recall(life: Life, events: readonly StoredEvent[]): void {
    const dead = events.filter(({ seq }) => life.dead.has(seq));
    for (const { stream } of dead) this.died(stream, life.dead.size / dead.length);
    for (const { seq, stream } of events) {
      if (!life.dead.has(seq) && seq < life.handed.last && !life.handed.has(seq)) this.holdBack(stream);
    }
  }

  /** Looks at the pieces, and the dead letters among them, that the state has now. True: strays are refused. */
  look(pieces: number, dead: number): boolean {
    this.#dead = dead;
    if (dead === 0) this.#dying.clear();
    const isOver = pieces > this.#piecesMax * (this.#isOver ? TAKEN_AGAIN : 1);
    if (this.#isOver && !isOver) {
      // One that still stays behind is named again by the next event that the broker refuses.
      this.#heldBack.clear();
      this.#dying.clear();
      this.refusals.over();
    }
    this.#isOver = isOver;
    return isOver;
  }

  /** Those of the drafts that may be taken. The others are refused here. */
  admit(due: WaitingAppend[]): WaitingAppend[] {
    if (!this.#isOver) return due;
    const taken: WaitingAppend[] = [];
    for (const append of due) {
      const { stream } = append.draft;
      if (!this.#isStray(stream)) taken.push(append);
      else {
        const reason = `stream ${stream}: too many of its events stay behind others that leave; first mend why the broker refuses them`;
        this.refusals.refuse([{ append }], { code: 'ledger.fragmented', reason });
      }
    }
    return taken;
  }

  #isStray(stream: string): boolean {
    if (this.#heldBack.has(stream)) return true;
    return Math.min(this.#dying.get(stream) ?? 0, this.#dead) >= Math.max(1, this.#piecesMax * DEAD_PART);
  }
}
