/**
 * All that the ledger knows besides the events' own bytes: lives, what became of each event, the broker session, the
 * sensors' numbers, and where segments with a torn or damaged end really end. It is what a snapshot frame holds, and it
 * changes only by applying frames, so recovery and the running ledger can not differ.
 */
import type { EventField } from '../ports.ts';
import type { StoredEvent } from './event.ts';
import { type Interval, IntervalSet } from './intervals.ts';
import type { Marks } from './marks.ts';
import { contentDigest, parseSourceSeq, Sources, type SourcesSnapshot } from './sources.ts';

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
}

/** Sequences that will never come, not yet named by a `ledger.gap` event. */
export interface UnnamedGap {
  readonly life: number;
  readonly epoch: string;
  readonly from: number;
  readonly through: number;
  readonly why: string;
}

interface Snapshot {
  readonly lives: readonly {
    readonly ordinal: number;
    readonly epoch: string;
    readonly first: number;
    readonly last: number;
    readonly lastHash: string;
    readonly handed: readonly Interval[];
    readonly released: readonly Interval[];
    readonly dead: readonly (readonly [number, number])[];
  }[];
  readonly session: SessionMark | undefined;
  readonly sources: SourcesSnapshot;
  readonly ends: readonly (readonly [number, number])[];
  readonly unnamed: readonly UnnamedGap[];
}

export class LedgerState {
  readonly lives: Life[] = [];
  session: SessionMark | undefined;
  sources = new Sources();
  /** Segment index to the offset where its sound frames end, for segments that do not end in zeros or full. */
  readonly ends = new Map<number, number>();
  unnamed: UnnamedGap[] = [];

  static fromSnapshot(body: Buffer): LedgerState {
    const snapshot = JSON.parse(body.toString('utf8')) as Snapshot;
    const state = new LedgerState();
    for (const life of snapshot.lives) {
      state.lives.push({
        ...life,
        handed: new IntervalSet(life.handed),
        released: new IntervalSet(life.released),
        dead: new Map(life.dead),
      });
    }
    state.session = snapshot.session;
    state.sources = new Sources(snapshot.sources);
    for (const [index, end] of snapshot.ends) state.ends.set(index, end);
    state.unnamed = [...snapshot.unnamed];
    return state;
  }

  toSnapshot(): Buffer {
    const snapshot: Snapshot = {
      lives: this.lives.map((life) => ({
        ...life,
        handed: life.handed.intervals(),
        released: life.released.intervals(),
        dead: [...life.dead],
      })),
      session: this.session,
      sources: this.sources.snapshot(),
      ends: [...this.ends],
      unnamed: this.unnamed,
    };
    return Buffer.from(JSON.stringify(snapshot), 'utf8');
  }

  /** The life that new events join. */
  get live(): Life | undefined {
    return this.lives.at(-1);
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
    if (type === 'ledger.gap') {
      const from = Number(data['from']?.value);
      const through = Number(data['through']?.value);
      const epoch = data['epoch']?.value;
      this.unnamed = this.unnamed.filter((gap) => gap.from !== from || gap.through !== through || gap.epoch !== epoch);
    }
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
    if (life === undefined || older.some((one) => !settledRange(one, one.first, one.last))) return;
    if (settledRange(life, life.first, baseSeq - 1)) this.dropBefore(ordinal, baseSeq);
  }

  /** Declares sequences as never to come: handed over for the sender, to be named by a `ledger.gap` event. */
  declareGap(life: Life, from: number, through: number, why: string): void {
    if (through < from) return;
    life.handed.add(from, through);
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
  return Math.max(0, life.last - life.first + 1 - countWithin(life) - life.dead.size);
}

/** Whether every event of this range is handed over or named as lost. Dead letters wait for an operator. */
export function settledRange(life: Life, from: number, through: number): boolean {
  return life.handed.covers(from, through);
}

function countWithin(life: Life): number {
  let count = 0;
  for (const [from, through] of life.handed.intervals()) {
    count += Math.max(0, Math.min(through, life.last) - Math.max(from, life.first) + 1);
  }
  return count;
}

function applyRange(life: Life, group: Marks, from: number, through: number): void {
  if (group.kind === 'released') life.released.add(from, through);
  else if (group.kind === 'handed') {
    life.handed.add(from, through);
    for (let seq = from; seq <= through && life.released.size + life.dead.size > 0; seq += 1) {
      life.released.delete(seq);
      life.dead.delete(seq);
    }
  } else for (let seq = from; seq <= through; seq += 1) life.dead.set(seq, group.code);
}
