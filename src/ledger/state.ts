/**
 * All that the ledger knows besides the events' own bytes: lives, what became of each event, the broker session, the
 * sensors' numbers, and where segments with a torn or damaged end really end. It is what a snapshot frame holds, and it
 * changes only by applying frames, so recovery and the running ledger can not differ.
 */
import type { EventField } from '../ports.ts';
import type { StoredEvent } from './event.ts';
import { type Interval, IntervalSet } from './intervals.ts';
import type { Marks } from './marks.ts';
import { contentDigest, parseSourceSeq, Sources } from './sources.ts';

/** The stream of the ledger's own events; no sensor's event is on it. */
export const AGENT_STREAM = 'agent';

/** A broker session of ours. `opening`: Clean Start was decided and nothing of an older session is valid. */
export interface SessionMark {
  readonly generation: number;
  readonly life: number;
  readonly broker: string;
  readonly client: string;
  readonly root: string;
  readonly phase: 'opening' | 'open';
}

export interface Life {
  readonly ordinal: number;
  readonly epoch: string;
  /** The first sequence still in the ledger; below it everything was dropped after it settled. */
  first: number;
  /** The newest sequence used, or declared unusable. 0 before the first event. */
  last: number;
  /** sha256 (base64url) of the newest event's bytes; '' before the first event. */
  lastHash: string;
  readonly handed: IntervalSet;
  readonly released: IntervalSet;
  readonly dead: Map<number, number>;
  /** The consumer has them. */
  readonly settled: IntervalSet;
  /** To be sent again. */
  readonly reopened: IntervalSet;
  /** Will never come: damage, or given up. They are in `handed` and `settled` too. */
  readonly lost: IntervalSet;
}

/** Sequences that will never come, not yet named by a `ledger.gap` event. */
export interface UnnamedGap {
  readonly life: number;
  readonly epoch: string;
  readonly from: number;
  readonly through: number;
  readonly why: string;
}

export class LedgerState {
  readonly lives: Life[] = [];
  session: SessionMark | undefined;
  sources = new Sources();
  /** Segment index to the offset where its sound frames end, for segments that do not end in zeros or full. */
  readonly ends = new Map<number, number>();
  unnamed: UnnamedGap[] = [];
  /** The id and the public part of the key that the newest `ledger.key` event names; '' when events are not signed. */
  key = '';
  keyPublic = '';
  /** Whether events settle by receipts. As configured when the newest segment was opened. */
  receipts = false;

  /** What makes a snapshot long: the intervals and dead letters that it lists. */
  get pieces(): number {
    let pieces = this.unnamed.length;
    for (const { handed, released, settled, reopened, lost, dead } of this.lives) {
      pieces += dead.size;
      for (const set of [handed, released, settled, reopened, lost]) pieces += set.pieces;
    }
    return pieces;
  }

  /** Dead letters of all lives. */
  get dead(): number {
    return this.lives.reduce((sum, life) => sum + life.dead.size, 0);
  }

  /** The life that new events join. */
  get live(): Life | undefined {
    return this.lives.at(-1);
  }

  /** The oldest with something to hand over, else the live one. */
  get oldestOwed(): Life | undefined {
    return this.lives.find((life) => pendingCount(life) > 0) ?? this.live;
  }

  life(ordinal: number): Life | undefined {
    return this.lives.find((life) => life.ordinal === ordinal);
  }

  startLife(ordinal: number, epoch: string): Life {
    const life: Life = {
      ordinal,
      epoch,
      first: 1,
      last: 0,
      lastHash: '',
      handed: new IntervalSet(),
      released: new IntervalSet(),
      dead: new Map(),
      settled: new IntervalSet(),
      reopened: new IntervalSet(),
      lost: new IntervalSet(),
    };
    this.lives.push(life);
    return life;
  }

  applyEvent(event: StoredEvent, hash: string): void {
    const life = this.life(event.life);
    if (life === undefined || event.seq <= life.last) return;
    life.last = event.seq;
    life.lastHash = hash;
  }

  /** What an event's text says beyond its number; read back on recovery, known at once when it is written. */
  applyContent(content: EventContent, digest?: string): void {
    const { sensor, stream, type, source, data } = content;
    if (source !== undefined) {
      const seq = parseSourceSeq(source.seq);
      if (seq !== undefined) this.sources.add(sensor, source.epoch, seq, digest ?? contentDigest(stream, type, data));
    }
    if (type === 'ledger.key' && stream === AGENT_STREAM) {
      this.key = textOf(data['key']?.value);
      this.keyPublic = textOf(data['public']?.value);
    }
    if (type === 'ledger.gap' && stream === AGENT_STREAM) {
      this.#applyGap(textOf(data['epoch']?.value), Number(data['from']?.value), Number(data['through']?.value));
    }
  }

  /** Consumers are told that these never come, so they never do: also not for a broker that forgot. */
  #applyGap(epoch: string, from: number, through: number): void {
    this.unnamed = this.unnamed.filter((gap) => gap.from !== from || gap.through !== through || gap.epoch !== epoch);
    const life = this.lives.find((one) => one.epoch === epoch);
    if (life === undefined) return;
    const [low, high] = [Math.max(from, life.first), Math.min(through, life.last)];
    if (low <= high) lose(life, low, high);
  }

  applyMarks(groups: readonly Marks[]): void {
    for (const group of groups) {
      const life = this.life(group.life);
      if (life === undefined) continue;
      for (const [from, through] of group.ranges) applyRange(life, group, from, through);
    }
  }

  applySession(session: SessionMark): void {
    if (session.generation !== this.session?.generation) for (const life of this.lives) life.released.clear();
    this.session = session;
  }

  /** Everything before this place was dropped. */
  dropBefore(ordinal: number, baseSeq: number): void {
    while ((this.lives[0]?.ordinal ?? ordinal) < ordinal) this.lives.shift();
    const life = this.life(ordinal);
    if (life !== undefined && life.first < baseSeq) life.first = baseSeq;
  }

  /** The gaps that were declared after the first `known` turned out to have another reason. */
  renameGaps(known: number, why: string): void {
    this.unnamed = this.unnamed.map((gap, at) => (at < known ? gap : { ...gap, why }));
  }

  /** Segments before this place are not there: they were dropped, if all in them is settled; else they are missing. */
  startsAt(ordinal: number, baseSeq: number): void {
    const life = this.life(ordinal);
    const older = this.lives.slice(0, life === undefined ? 0 : this.lives.indexOf(life));
    if (life === undefined || older.some((one) => !settledRange(one, one.first, one.last, this.receipts))) return;
    if (settledRange(life, life.first, baseSeq - 1, this.receipts)) this.dropBefore(ordinal, baseSeq);
  }

  /** Declares sequences as never to come: handed over for the sender, to be named by a `ledger.gap` event. */
  declareGap(life: Life, from: number, through: number, why: string): void {
    if (through < from) return;
    lose(life, from, through);
    if (life.last < through) life.last = through;
    this.unnamed.push({ life: life.ordinal, epoch: life.epoch, from, through, why });
  }
}

export interface EventContent {
  readonly sensor: string;
  readonly stream: string;
  readonly type: string;
  readonly data: Readonly<Record<string, EventField>>;
  readonly source?: { readonly epoch: string; readonly seq: string };
}

/** Events of a life that are neither handed over nor dead. */
export function pendingCount(life: Life): number {
  return Math.max(0, life.last - life.first + 1 - life.handed.countWithin(life.first, life.last) - life.dead.size);
}

/** Those of them that are not to be sent again: they leave in a session of their own life. */
export function freshCount(life: Life): number {
  return pendingCount(life) - life.reopened.size;
}

/** Events of a life that the consumer is not known to have; with receipts off, those that are not handed over. */
export function unsettledCount(life: Life, receipts: boolean): number {
  const settled = (receipts ? life.settled : life.handed).countWithin(life.first, life.last);
  return Math.max(0, life.last - life.first + 1 - settled);
}

/**
 * Whether every event of this range is handed over or named as lost, and, with receipts on, covered by one. Dead letters
 * wait for an operator.
 */
export function settledRange(life: Life, from: number, through: number, receipts: boolean): boolean {
  return life.handed.covers(from, through) && (!receipts || life.settled.covers(from, through));
}

/** Handed over, and not known to be with the consumer: sent again when the broker has lost its memory. */
export function unsettledRanges(life: Life, alsoHanded: readonly Interval[]): Interval[] {
  const ranges = new IntervalSet(life.handed.within(life.first, life.last));
  for (const [from, through] of alsoHanded) ranges.add(from, through);
  for (const [from, through] of life.settled.intervals()) ranges.deleteRange(from, through);
  for (const [from, through] of life.reopened.intervals()) ranges.deleteRange(from, through);
  return ranges.within(life.first, life.last);
}

function applyRange(life: Life, group: Marks, from: number, through: number): void {
  if (group.kind === 'released') life.released.add(from, through);
  else if (group.kind === 'handed') {
    life.handed.add(from, through);
    life.reopened.deleteRange(from, through);
    forget(life, from, through);
  } else if (group.kind === 'settled') life.settled.add(from, through);
  else if (group.kind === 'reopened') {
    life.handed.deleteRange(from, through);
    life.reopened.add(from, through);
    forget(life, from, through);
  } else
    for (let seq = from; seq <= through; seq += 1) {
      if (life.lost.has(seq)) continue;
      life.dead.set(seq, group.code);
      life.reopened.delete(seq);
    }
}

function lose(life: Life, from: number, through: number): void {
  for (const set of [life.handed, life.settled, life.lost]) set.add(from, through);
  life.reopened.deleteRange(from, through);
  // What is lost is counted once.
  for (const seq of deadWithin(life.dead, from, through)) life.dead.delete(seq);
}

function forget(life: Life, from: number, through: number): void {
  life.released.deleteRange(from, through);
  for (const seq of deadWithin(life.dead, from, through)) life.dead.delete(seq);
}

/** Dead letters of the closed range. Looks at the range or at the letters, whichever are fewer. */
export function deadWithin(dead: ReadonlyMap<number, number>, from: number, through: number): number[] {
  const found: number[] = [];
  if (through - from < dead.size) {
    for (let seq = from; seq <= through; seq += 1) if (dead.has(seq)) found.push(seq);
  } else for (const seq of dead.keys()) if (seq >= from && seq <= through) found.push(seq);
  return found;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
