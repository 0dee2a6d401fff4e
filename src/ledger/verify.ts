/**
 * Verification: reads every byte that counts and says whether the ledger is what it claims. Checked are both checksums
 * of every frame, both copies of every snapshot, the headers, the chain of hashes, signatures where there are any, that no
 * sequence is missing that a `ledger.gap` event does not name, and that each older epoch is there to its end. An end that was torn by a power cut is no damage: nobody was answered for it.
 */
import { agentWord, type SpokenText } from './agent-words.ts';
import { decodeEventBody, eventHash, type StoredEvent } from './event.ts';
import type { LedgerReader } from './files.ts';
import { encodeFrame, FRAME_HEADER_BYTES, FRAME_KIND, scanFrames } from './frame.ts';
import { IntervalSet } from './intervals.ts';
import { KeyRing, type SignatureCounts } from './key-ring.ts';
import { missingEnd } from './lineage.ts';
import { readAround } from './read-around.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentSalt } from './segment.ts';
import type { KeyChange } from './signing-order.ts';
import { AGENT_STREAM } from './state.ts';
import { type LedgerView, unlessGone, type ViewedSegment } from './view.ts';

export interface Problem {
  readonly segment: string;
  readonly at: number;
  /** The first sequence that it may concern. */
  readonly epoch: string;
  readonly seq: number;
  readonly what: string;
}

export interface NamedGap {
  readonly epoch: string;
  readonly from: number;
  readonly through: number;
  readonly why: string;
}

export interface EpochVerdict {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  readonly events: number;
}

export interface Verdict {
  readonly ok: boolean;
  readonly events: number;
  readonly segments: number;
  readonly bytes: number;
  readonly epochs: readonly EpochVerdict[];
  readonly gaps: readonly NamedGap[];
  readonly signatures: Readonly<SignatureCounts>;
  /** Who signs from where on, as the events say. */
  readonly keys: readonly KeyChange[];
  readonly problems: readonly Problem[];
  /** Problems beyond those kept in `problems`. */
  readonly more: number;
}

/** A ledger that is damaged all over is still reported in bounded memory. */
const PROBLEMS_MAX = 1000;

export async function verifyLedger(
  files: LedgerReader,
  view: LedgerView,
  onSegment: (done: number, of: number) => void,
  ring: KeyRing = new KeyRing(),
): Promise<Verdict> {
  // The event that named the key may be in a segment that is long dropped.
  ring.learn(view.state.keyPublic);
  const check = new Verification(ring);
  let bytes = 0;
  for (const [at, segment] of view.viewed.entries()) {
    const content = await readAround(files, segment.name, 0, segment.bytes).catch(unlessGone);
    if (content !== undefined) check.segment(segment, content, at === view.viewed.length - 1);
    bytes += content?.length ?? 0;
    onSegment(at + 1, view.viewed.length);
  }
  return { ...check.verdict(view), segments: view.viewed.length, bytes };
}

/** A stretch without sound frames, with the sequence that should have come first in it. */
interface Hole extends Problem {
  /** The sequence behind it, when an event or a segment followed. */
  before: number;
  /** The commit of the frame before it, and those of the frames behind it. */
  readonly commit: number;
  readonly behind: Set<number>;
  /** The segment was left at a start of the agent, not filled and followed by the next. */
  left: boolean;
  readonly newest: boolean;
}

class Verification {
  readonly #problems: Problem[] = [];
  readonly #holes: Hole[] = [];
  /** Holes behind which no event came yet. */
  #open: Hole[] = [];
  readonly #gaps: NamedGap[] = [];
  readonly #epochs: { epoch: string; first: number; last: number; events: number }[] = [];
  readonly #missing: { segment: string; at: number; epoch: string; from: number; through: number }[] = [];
  readonly #ring: KeyRing;
  #hash = '';
  #events = 0;
  #more = 0;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  segment(segment: ViewedSegment, content: Buffer, newest: boolean): void {
    const { name, epoch } = segment;
    const here = this.#epochOf(segment);
    if (segment.baseSeq > here.last + 1) this.#miss(segment, 0, here.last + 1, segment.baseSeq - 1);
    here.last = Math.max(here.last, segment.baseSeq - 1);
    const header = decodeSegmentHeader(content);
    if (header.kind !== 'sound')
      this.#problem({ segment: name, at: 0, epoch, seq: here.last + 1, what: 'header is damaged' });
    else if (header.header.bytes > content.length) {
      const what = `${header.header.bytes - content.length} bytes are cut off`;
      this.#problem({ segment: name, at: content.length, epoch, seq: here.last + 1, what });
    }
    for (const hole of this.#open.splice(0)) if (hole.epoch === epoch) hole.before = segment.baseSeq;
    const holes: Hole[] = [];
    let rolled = false;
    let commit = 0;
    let snapshots = 0;
    const frames = scanFrames(content.subarray(0, segment.stop), SEGMENT_HEADER_BYTES, segmentSalt(segment));
    for (const scanned of frames) {
      if (scanned.kind === 'frame') {
        const { kind, seq, body } = scanned.frame;
        commit = scanned.frame.commit;
        // No checksum covers the zeros that fill a frame up, and nothing reads them; they are damage all the same.
        if (content.subarray(scanned.at + FRAME_HEADER_BYTES + body.length, scanned.end).some((byte) => byte !== 0)) {
          this.#problem({ segment: name, at: scanned.at, epoch, seq: here.last, what: 'is not filled up with zeros' });
        }
        if (kind === FRAME_KIND.snapshot) snapshots += 1;
        if (kind === FRAME_KIND.rolled) rolled = true;
        for (const hole of holes) hole.behind.add(commit);
        if (kind !== FRAME_KIND.event || seq > segment.through) continue;
        for (const hole of this.#open.splice(0)) hole.before = seq;
        this.#event(segment, scanned.at, decodeEventBody(segment.life, epoch, seq, body));
      } else if (
        scanned.kind === 'damage' ||
        (!scanned.clean && !newest && segment.stop === undefined && !isTornRolled(content, scanned.at, segment, commit))
      ) {
        const what = 'bytes fail their checksum';
        const place = { segment: name, at: scanned.at, epoch, seq: here.last + 1, what, newest };
        const hole: Hole = { ...place, before: 0, commit, behind: new Set(), left: false };
        holes.push(hole);
        this.#open.push(hole);
      }
    }
    for (const hole of holes) hole.left = segment.stop !== undefined && !rolled;
    this.#holes.push(...holes);
    if (snapshots < 2) {
      const what = `${2 - snapshots} of the 2 copies of its snapshot damaged`;
      this.#problem({ segment: name, at: SEGMENT_HEADER_BYTES, epoch, seq: segment.baseSeq, what });
    }
  }

  verdict(view: LedgerView): Omit<Verdict, 'segments' | 'bytes'> {
    const named = new Map<string, IntervalSet>();
    for (const gap of [...this.#gaps, ...view.state.unnamed.filter((one) => one.why === 'torn')]) {
      const set = named.get(gap.epoch) ?? new IntervalSet();
      set.add(gap.from, gap.through);
      named.set(gap.epoch, set);
    }
    for (const hole of this.#holes) if (!this.#torn(hole, view)) this.#problem(hole);
    this.#start(view);
    this.#olderEnds(view);
    const told = new Set<string>();
    for (const { segment, at, epoch, from, through } of this.#missing) {
      const absent = named.get(epoch)?.nextAbsent(from) ?? from;
      const what = `missing through ${through}, and no ledger.gap event names it`;
      const place = `${epoch} ${absent} ${through}`;
      if (absent <= through && !told.has(place)) this.#problem({ segment, at, epoch, seq: absent, what });
      told.add(place);
    }
    this.#tail(view);
    this.#endOfSignatures(view);
    const problems = this.#problems.sort((a, b) => a.segment.localeCompare(b.segment) || a.at - b.at);
    return {
      ok: problems.length === 0,
      events: this.#events,
      epochs: this.#epochs.filter((one) => one.events > 0),
      gaps: this.#gaps,
      signatures: { ...this.#ring.counts },
      keys: this.#ring.changes,
      problems,
      more: this.#more,
    };
  }

  /** Segments are dropped from the front, but only when all in them is settled. */
  #start(view: LedgerView): void {
    const oldest = view.viewed[0];
    const life = oldest === undefined ? undefined : view.state.life(oldest.life);
    if (oldest === undefined || life === undefined) return;
    const seq = life.handed.nextAbsent(life.first);
    if (seq >= oldest.baseSeq) return;
    const what = 'missing before the oldest segment, and was not settled';
    this.#problem({ segment: oldest.name, at: 0, epoch: oldest.epoch, seq, what });
  }

  /** What the snapshots say of lives that have ended: each is there to its end, or was dropped with all before it. */
  #olderEnds(view: LedgerView): void {
    const oldest = view.segments[0];
    if (oldest === undefined) return;
    for (const life of view.state.lives.slice(0, -1)) {
      const { ordinal, epoch, last } = life;
      const here = this.#epochs.find((one) => one.epoch === epoch);
      const place = { segment: oldest.name, at: 0, epoch };
      if (view.segments.some((segment) => segment.life === ordinal)) {
        if (here !== undefined && here.last < last)
          this.#missing.push({ ...place, from: here.last + 1, through: last });
      } else if (ordinal > oldest.life) {
        if (last >= life.first) this.#missing.push({ ...place, from: life.first, through: last });
      } else {
        const seq = life.handed.nextAbsent(life.first);
        const what = `missing through ${last} with the whole epoch, and was not settled`;
        if (seq <= last) this.#problem({ ...place, seq, what });
      }
    }
  }

  /** What no `ledger.key` event settled. Damage may have taken one: then the key that signs now says nothing of before. */
  #endOfSignatures(view: LedgerView): void {
    const whole = this.#gaps.length === 0 && this.#holes.length === 0;
    for (const fault of this.#ring.finish(whole ? view.state.key : undefined)) {
      this.#problem({ segment: view.viewed[0]?.name ?? '', at: 0, ...fault });
    }
  }

  /** What the notes and the rolled frame say of the end: witnesses that recovery has already heard. */
  #tail(view: LedgerView): void {
    const life = view.state.live;
    const segment = view.viewed.at(-1)?.name ?? '';
    const epoch = life?.epoch ?? '';
    const seq = (this.#epochs.at(-1)?.last ?? 0) + 1;
    for (const gap of view.state.unnamed) {
      if (gap.why === 'torn' || gap.from < seq) continue;
      this.#problem({ segment, at: 0, epoch, seq: gap.from, what: `end of the ledger lost, through ${gap.through}` });
    }
    if (view.liveMissing) this.#problem({ segment, at: 0, epoch, seq, what: 'the segment behind this one is missing' });
    const end = view.damage.find((one) => one.segment === segment && one.what.startsWith('damaged end'));
    if (end !== undefined) this.#problem({ segment, at: end.at, epoch, seq, what: end.what });
  }

  /**
   * Whether the hole is what a power cut left of a commit that nobody was answered for: all behind it is of that commit,
   * the segment ends there, and recovery found no witness that the commit had been finished.
   */
  #torn(hole: Hole, view: LedgerView): boolean {
    const [commit, ...others] = hole.behind;
    const last = others.length === 0 && (commit === hole.commit || commit === ((hole.commit + 1) & 0xffff));
    if (!last || !(hole.newest ? !view.marksDoubtful : hole.left)) return false;
    const gaps = [...this.#gaps, ...view.state.unnamed].filter((gap) => gap.epoch === hole.epoch && gap.why !== 'torn');
    return !gaps.some((gap) => gap.from < hole.before && gap.through >= hole.seq);
  }

  #event(segment: ViewedSegment, at: number, event: StoredEvent): void {
    const here = this.#epochOf(segment);
    const { seq, epoch } = event;
    const wrong = (what: string): void => this.#problem({ segment: segment.name, at, epoch, seq, what });
    if (seq <= here.last) return wrong(`sequence ${seq} stands behind ${here.last}`);
    if (seq > here.last + 1) this.#miss(segment, at, here.last + 1, seq - 1);
    const text = textOf(event.payload);
    if (text === undefined) wrong('is no JSON object');
    else if (text.seq !== seq || text.epoch !== epoch) wrong(`says it is ${String(text.epoch)} ${String(text.seq)}`);
    else {
      // Behind a hole the hash of what was lost can not be known; that it is named is checked elsewhere.
      if (here.events > 0 && seq === here.last + 1 && text.prev !== this.#hash)
        wrong('does not chain to the event before');
      if (seq === 1 && text.prev !== '') wrong('is the first and names an event before');
      this.#hear(segment, at, seq, text);
      for (const fault of this.#ring.judge(event.payload, text)) {
        this.#problem({ segment: segment.name, at, ...fault });
      }
    }
    this.#hash = eventHash(event.payload);
    if (here.events === 0) here.first = seq;
    here.last = seq;
    here.events += 1;
    this.#events += 1;
  }

  /** What the ledger says of itself. */
  #hear({ name: segment, epoch }: ViewedSegment, at: number, seq: number, text: EventText): void {
    const word = agentWord(text);
    if (word === undefined) {
      if (text.stream !== AGENT_STREAM || text.type !== 'ledger.gap') return;
      this.#problem({ segment, at, epoch, seq, what: 'names no range that can be missing' });
    } else if (word.kind === 'gap') {
      const { kind: _, ...gap } = word;
      this.#gaps.push(gap);
    } else if (word.kind === 'epoch' && seq === 1) {
      const missing = missingEnd(word, this.#epochs.slice(0, -1));
      if (missing !== undefined) this.#missing.push({ segment, at, ...missing });
    }
  }

  #epochOf(segment: ViewedSegment): { epoch: string; first: number; last: number; events: number } {
    const known = this.#epochs.at(-1);
    if (known?.epoch === segment.epoch) return known;
    if (this.#epochs.some(({ epoch }) => epoch === segment.epoch)) {
      const place = { segment: segment.name, at: 0, epoch: segment.epoch, seq: segment.baseSeq };
      this.#problem({ ...place, what: 'is of an epoch that ended before' });
    }
    const made = { epoch: segment.epoch, first: segment.baseSeq, last: segment.baseSeq - 1, events: 0 };
    this.#epochs.push(made);
    return made;
  }

  #miss(segment: ViewedSegment, at: number, from: number, through: number): void {
    this.#missing.push({ segment: segment.name, at, epoch: segment.epoch, from, through });
  }

  #problem(problem: Problem): void {
    if (this.#problems.length >= PROBLEMS_MAX) this.#more += 1;
    else {
      const { segment, at, epoch, seq, what } = problem;
      this.#problems.push({ segment, at, epoch, seq, what });
    }
  }
}

/** Whether all that stands at `at` is a part of the frame that tells a full segment of its successor. */
function isTornRolled(content: Buffer, at: number, segment: ViewedSegment, commit: number): boolean {
  const whole = Buffer.alloc(FRAME_HEADER_BYTES);
  encodeFrame(whole, 0, segmentSalt(segment), FRAME_KIND.rolled, commit + 1, 0, []);
  const there = content.subarray(at);
  return there.every((byte, n) => byte === 0 || byte === whole[n]);
}

interface EventText extends SpokenText {
  readonly key?: unknown;
  readonly seq?: unknown;
  readonly epoch?: unknown;
  readonly prev?: unknown;
}

function textOf(payload: Buffer): EventText | undefined {
  try {
    const text: unknown = JSON.parse(payload.toString('utf8'));
    return typeof text === 'object' && text !== null ? text : undefined;
  } catch {
    return undefined;
  }
}
