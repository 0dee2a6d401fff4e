/**
 * The body of a snapshot frame: the whole state as JSON. Its sets of sequences are lists of intervals, as every version
 * reads them, until they are so many that those would fill segments and outgrow a frame; then each is a short text, and
 * the segment says format 2. So an agent of before reads all but what it could not have written.
 */
import { decodeIntervals, encodeIntervals } from './interval-code.ts';
import { BODY_BYTES_MAX } from './frame.ts';
import { type Interval, IntervalSet } from './intervals.ts';
import type { FormatVersion } from './segment.ts';
import { LedgerState, type Life, type SessionMark, type UnnamedGap } from './state.ts';
import { Sources, type SourcesSnapshot } from './sources.ts';

/** Up to so many pieces are written as lists: at most some 300 KiB, twice of which the reserve holds. */
const LISTED_PIECES_MAX = 8192;

/** Intervals as pairs, or in format 2 as `encodeIntervals` makes them. */
type Ranges = readonly Interval[] | string;
/** Pairs of sequence and reason code, or in format 2 for each reason code its sequences. */
type Dead = readonly (readonly [seq: number, code: number])[] | readonly (readonly [code: number, ranges: string])[];

interface Snapshot {
  readonly lives: readonly {
    readonly ordinal: number;
    readonly epoch: string;
    readonly first: number;
    readonly last: number;
    readonly lastHash: string;
    readonly handed: Ranges;
    readonly released: Ranges;
    readonly dead: Dead;
    /** These three, `key` and `receipts` are not in ledgers of the first version. */
    readonly settled?: Ranges;
    readonly reopened?: Ranges;
    readonly lost?: Ranges;
  }[];
  readonly key?: string;
  readonly keyPublic?: string;
  readonly receipts?: boolean;
  readonly session: SessionMark | undefined;
  readonly sources: SourcesSnapshot;
  readonly ends: readonly (readonly [number, number])[];
  readonly unnamed: readonly UnnamedGap[];
}

export interface EncodedSnapshot {
  readonly body: Buffer;
  /** The format that a segment with it says it has. */
  readonly version: FormatVersion;
}

export function encodeSnapshot(state: LedgerState): EncodedSnapshot {
  if (state.pieces <= LISTED_PIECES_MAX) {
    const body = encode(state, (set) => set.intervals(), listedDead);
    if (body.length <= BODY_BYTES_MAX) return { body, version: 1 };
  }
  return { body: encode(state, (set) => encodeIntervals(set.intervals()), shortDead), version: 2 };
}

/** Of either format. Throws on a body that no version ever wrote. */
export function decodeSnapshot(body: Buffer): LedgerState {
  const snapshot = JSON.parse(body.toString('utf8')) as Snapshot;
  const state = new LedgerState();
  for (const life of snapshot.lives) {
    state.lives.push({
      ...life,
      handed: setOf(life.handed),
      released: setOf(life.released),
      dead: deadOf(life.dead),
      settled: setOf(life.settled),
      reopened: setOf(life.reopened),
      lost: setOf(life.lost),
    });
  }
  state.session = snapshot.session;
  state.sources = new Sources(snapshot.sources);
  for (const [index, end] of snapshot.ends) state.ends.set(index, end);
  state.unnamed = [...snapshot.unnamed];
  state.key = snapshot.key ?? '';
  state.keyPublic = snapshot.keyPublic ?? '';
  state.receipts = snapshot.receipts ?? false;
  return state;
}

function encode(
  state: LedgerState,
  ranges: (set: IntervalSet) => Ranges,
  dead: (letters: Life['dead']) => Dead,
): Buffer {
  const snapshot: Snapshot = {
    lives: state.lives.map((life) => ({
      ...life,
      handed: ranges(life.handed),
      released: ranges(life.released),
      dead: dead(life.dead),
      settled: ranges(life.settled),
      reopened: ranges(life.reopened),
      lost: ranges(life.lost),
    })),
    session: state.session,
    sources: state.sources.snapshot(),
    ends: [...state.ends],
    unnamed: state.unnamed,
    key: state.key,
    keyPublic: state.keyPublic,
    receipts: state.receipts,
  };
  return Buffer.from(JSON.stringify(snapshot), 'utf8');
}

function listedDead(letters: Life['dead']): Dead {
  return [...letters];
}

function shortDead(letters: Life['dead']): Dead {
  const byCode = new Map<number, IntervalSet>();
  for (const [seq, code] of [...letters].sort(([a], [b]) => a - b)) {
    const known = byCode.get(code) ?? new IntervalSet();
    byCode.set(code, known);
    known.add(seq);
  }
  return [...byCode].map(([code, set]) => [code, encodeIntervals(set.intervals())] as const);
}

function setOf(ranges: Ranges = []): IntervalSet {
  return new IntervalSet(typeof ranges === 'string' ? decodeIntervals(ranges) : ranges);
}

function deadOf(dead: Dead): Map<number, number> {
  const letters: [seq: number, code: number][] = [];
  for (const [first, second] of dead) {
    if (typeof second === 'number') letters.push([first, second]);
    else
      for (const [from, through] of decodeIntervals(second)) {
        for (let seq = from; seq <= through; seq += 1) letters.push([seq, first]);
      }
  }
  return new Map(letters.sort(([a], [b]) => a - b));
}
