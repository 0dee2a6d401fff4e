/**
 * Streams whose events stay behind while others' leave: an access rule forbids them, or the broker refuses their events for
 * good. Each such event is a hole in what is handed over, and the ledger has to remember every hole in each snapshot.
 * Above a bound these streams' new events are refused, so that what the others pay for it stays small; the others go on.
 * Nothing here can hold up a mark: what drains the holes is never refused.
 */
import type { Log } from '../ports.ts';
import type { WaitingAppend } from './append-queue.ts';
import { Refusals } from './refusals.ts';

/** A snapshot of so many pieces takes some 300 KiB, twice in each segment. */
const PIECES_MAX = 100_000;
/** Once refused, they are taken again below this part of the bound, so that it does not come and go with each event. */
const TAKEN_AGAIN = 0.9;
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
  readonly #dying = new Set<string>();
  #isOver = false;

  constructor({ log, piecesMax, onRefusing }: StraysOptions) {
    this.#piecesMax = piecesMax ?? PIECES_MAX;
    this.refusals = new Refusals(log, () => onRefusing?.());
  }

  /** An event of this stream was passed over, and others leave. */
  holdBack(stream: string): void {
    remember(this.#heldBack, stream);
  }

  /** An event of this stream was handed over. */
  leaves(stream: string): void {
    this.#heldBack.delete(stream);
  }

  /** An event of this stream became a dead letter. Others of it may leave: only an operator's care drains these. */
  died(stream: string): void {
    this.#heldBack.delete(stream);
    remember(this.#dying, stream);
  }

  /** Looks at the pieces that the state has now. True: strays are refused. */
  look(pieces: number): boolean {
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
      if (!this.#heldBack.has(stream) && !this.#dying.has(stream)) taken.push(append);
      else {
        const reason = `stream ${stream}: too many of its events stay behind others that leave; first mend why the broker refuses them`;
        this.refusals.refuse([{ append }], { code: 'ledger.fragmented', reason });
      }
    }
    return taken;
  }
}

function remember(streams: Set<string>, stream: string): void {
  if (stream !== '' && streams.size < STREAMS_MAX) streams.add(stream);
}
