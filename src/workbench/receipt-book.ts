/**
 * What a consumer says in its receipts (DESIGN sections 3 and 9.5): through where it has everything of an epoch, and which
 * events it misses. It learns of those by a hole in the numbers, by the device's retained status, and by the first event of
 * the next epoch, which names the end of the one before. A receipt stays with an old epoch until that is complete, because
 * one of a newer epoch settles the older ones whole. Pure: it is told the time.
 */
import type { ReceivedEvent } from './deliveries.ts';

/** A hole younger than this may still be on its way. */
const ASK_AFTER_MS = 1000;
/** Asked, and nothing came for this long: asked again. */
const ASK_AGAIN_MS = 4000;
/** Ranges in one receipt; the rest is asked for when these have come. */
const WANT_MAX = 64;
/** Ranges that are remembered as asked for. */
const WANTED_MAX = 1024;
/** An old epoch that is asked for this often and never comes is not kept any more: the consumer goes on without it. */
const ASKED_IN_VAIN_MAX = 10;

interface Epoch {
  readonly name: string;
  /** Everything through here is there, or named by a `ledger.gap`. */
  through: number;
  /** The newest event at or below `through`, which the receipt names; 0 for none. */
  sure: number;
  hash: string | undefined;
  /** Hashes of the events above `through`. */
  readonly ahead: Map<number, string>;
  readonly gaps: [number, number][];
  /** Of the events that came. */
  newest: number;
  /** By the status, or by the next epoch's first event. */
  last: number;
  lastMs: number;
  /** The epoch before this one, and its last sequence. */
  before: { readonly epoch: string; readonly last: number } | undefined;
  /** Since when `through` stands where it does. */
  movedMs: number;
  cameMs: number;
  /** The newest asking, or what of it came last. */
  askedMs: number | undefined;
  askedThrough: number;
  askedInVain: number;
}

export class ReceiptBook {
  readonly #epochs = new Map<string, Epoch>();
  #live: Epoch | undefined;
  #said = '';
  /** The newest ranges that were asked for. */
  readonly #wanted: { readonly epoch: string; readonly from: number; readonly through: number }[] = [];
  #asked = 0;

  /** How often something was asked for. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether this event was asked for: then it may come again, though the broker forgot nothing. */
  hasAskedFor(epoch: string, seq: number): boolean {
    return this.#wanted.some((range) => range.epoch === epoch && range.from <= seq && seq <= range.through);
  }

  /** An event that is new to this consumer. */
  take(event: ReceivedEvent, hash: string, nowMs: number): void {
    const isNewEpoch = !this.#epochs.has(event.epoch);
    const epoch = this.#epochOf(event.epoch, nowMs);
    if (isNewEpoch) this.#live = epoch;
    const { seq } = event;
    if (epoch.ahead.size === 0) epoch.movedMs = nowMs;
    epoch.ahead.set(seq, hash);
    epoch.cameMs = nowMs;
    epoch.newest = Math.max(epoch.newest, seq);
    if (seq <= epoch.askedThrough) [epoch.askedMs, epoch.askedInVain] = [nowMs, 0];
    if (event.stream === 'agent') this.#takeNews(event, epoch, nowMs);
    advance(epoch, nowMs);
  }

  /** The device says how far its ledger goes. */
  status(epoch: string, last: number, nowMs: number): void {
    const known = this.#epochOf(epoch, nowMs);
    grow(known, last, nowMs);
    this.#live = known;
  }

  /** The broker may have forgotten the retained receipt: it is said again. */
  connected(): void {
    this.#said = '';
  }

  /** The receipt to publish now; undefined when there is nothing new to say. */
  next(nowMs: number): string | undefined {
    const epoch = this.#current();
    if (epoch === undefined) return undefined;
    const isDue = epoch.askedMs === undefined || nowMs - epoch.askedMs >= ASK_AGAIN_MS;
    const want = isDue ? holes(epoch, nowMs) : [];
    const newest = want.at(-1);
    if (newest !== undefined) {
      this.#asked += 1;
      this.#wanted.push(...want.map(([from, through]) => ({ epoch: epoch.name, from, through })));
      this.#wanted.splice(0, this.#wanted.length - WANTED_MAX);
      epoch.askedMs = nowMs;
      epoch.askedThrough = newest[1];
      epoch.askedInVain += 1;
    }
    const { name, sure, hash } = epoch;
    const place = `${name} ${sure} ${hash ?? ''}`;
    if (want.length === 0 && (place === this.#said || sure === 0)) return undefined;
    this.#said = place;
    // `asked` makes it another receipt: what one wants is honoured once.
    const asked = want.length === 0 ? {} : { want, asked: this.#asked };
    return JSON.stringify({ epoch: name, through: sure, ...(hash === undefined ? {} : { hash }), ...asked });
  }

  #takeNews(event: ReceivedEvent, epoch: Epoch, nowMs: number): void {
    const text = (name: string): string => {
      const value = event.data[name]?.value;
      return typeof value === 'string' ? value : '';
    };
    if (event.type === 'ledger.epoch' && event.data['old_epoch'] !== undefined) {
      epoch.before = { epoch: text('old_epoch'), last: Number(text('old_last')) };
      grow(this.#epochOf(epoch.before.epoch, nowMs), epoch.before.last, nowMs);
    }
    if (event.type === 'ledger.gap') {
      const of = this.#epochOf(text('epoch'), nowMs);
      of.gaps.push([Number(text('from')), Number(text('through'))]);
      advance(of, nowMs);
    }
  }

  /** The oldest epoch that the live one goes back to and that is not complete, or the live one. */
  #current(): Epoch | undefined {
    let found = this.#live;
    const seen = new Set<Epoch>();
    for (let at = this.#live; at?.before !== undefined && !seen.has(at); ) {
      seen.add(at);
      const before = this.#epochs.get(at.before.epoch);
      if (before !== undefined && before.through < at.before.last && before.askedInVain < ASKED_IN_VAIN_MAX) {
        found = before;
      }
      at = before;
    }
    return found;
  }

  #epochOf(name: string, nowMs: number): Epoch {
    const known = this.#epochs.get(name);
    if (known !== undefined) return known;
    const epoch: Epoch = {
      name,
      through: 0,
      sure: 0,
      hash: undefined,
      ahead: new Map(),
      gaps: [],
      newest: 0,
      last: 0,
      lastMs: nowMs,
      before: undefined,
      movedMs: nowMs,
      cameMs: nowMs,
      askedMs: undefined,
      askedThrough: 0,
      askedInVain: 0,
    };
    this.#epochs.set(name, epoch);
    return epoch;
  }
}

function grow(epoch: Epoch, last: number, nowMs: number): void {
  if (last <= epoch.last) return;
  epoch.last = last;
  epoch.lastMs = nowMs;
}

function advance(epoch: Epoch, nowMs: number): void {
  const { ahead, gaps } = epoch;
  for (;;) {
    const next = epoch.through + 1;
    const hash = ahead.get(next);
    const gap = gaps.find(([from, through]) => from <= next && next <= through);
    if (hash === undefined && gap === undefined) return;
    epoch.movedMs = nowMs;
    epoch.through = next;
    ahead.delete(next);
    if (hash !== undefined) [epoch.sure, epoch.hash] = [next, hash];
  }
}

/** What is missing long enough: below the newest event that came, and behind it once nothing comes any more. */
function holes(epoch: Epoch, nowMs: number): [number, number][] {
  const { through, newest, last, movedMs, cameMs, lastMs, ahead, gaps } = epoch;
  const isQuiet = nowMs - Math.max(cameMs, lastMs) >= ASK_AFTER_MS;
  const end = isQuiet ? Math.max(newest, last) : newest;
  if (end <= through || nowMs - movedMs < ASK_AFTER_MS) return [];
  const held: (readonly [number, number])[] = [...ahead.keys()].map((seq) => [seq, seq] as const);
  const known = [...held, ...gaps, [end + 1, end + 1] as const].sort(([a], [b]) => a - b);
  const found: [number, number][] = [];
  let next = through + 1;
  for (const [from, to] of known) {
    if (from > next) found.push([next, Math.min(from - 1, end)]);
    next = Math.max(next, to + 1);
    if (next > end || found.length >= WANT_MAX) break;
  }
  return found;
}
