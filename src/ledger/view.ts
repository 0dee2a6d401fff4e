/**
 * The ledger as an onlooker sees it: read only, without a lock, beside a running agent or after its end. The state comes
 * from the same recovery that the agent starts with; the events come from the segments as they lie there. A commit that
 * is being written, or a segment that is dropped meanwhile, is not taken for damage.
 */
import { systemCodeOf } from '../fault.ts';
import { decodeEventBody, type StoredEvent } from './event.ts';
import type { LedgerReader } from './files.ts';
import { FRAME_KIND, scanFrames } from './frame.ts';
import { readAround } from './read-around.ts';
import { recover, type Recovered, type SegmentFile, segmentFiles } from './recovery.ts';
import { SEGMENT_HEADER_BYTES, segmentSalt, voidBehind } from './segment.ts';
import type { Life } from './state.ts';

const TRIES_MAX = 5;
const TRY_AGAIN_MS = 60;

export type EventFate = 'unsent' | 'released' | 'handed' | 'dead';

/** A segment with the bounds of what counts in it. */
export interface ViewedSegment extends SegmentFile {
  /** Where its frames end for certain, or undefined: at the end of the file. */
  readonly stop: number | undefined;
  /** The newest sequence that counts in it. */
  readonly through: number;
}

export interface LedgerView extends Recovered {
  readonly viewed: readonly ViewedSegment[];
}

/** Rejects with the system's error when the directory can not be read. `wait` pauses before a second look. */
export async function viewLedger(files: LedgerReader, wait: (ms: number) => Promise<void>): Promise<LedgerView> {
  for (let tries = 1; ; tries += 1) {
    const recovered = await recover(files).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT' && tries < TRIES_MAX) return undefined;
      throw error;
    });
    const settled = recovered !== undefined && recovered.damage.length === 0 && !recovered.liveMissing;
    if (recovered !== undefined && settled) return viewOf(recovered);
    if (recovered !== undefined && tries === TRIES_MAX) return viewOf(await asOfThen(files, recovered));
    await wait(TRY_AGAIN_MS);
  }
}

/** A busy agent may open a new segment during each look. The one that is "missing" is there now: what was seen is whole. */
async function asOfThen(files: LedgerReader, recovered: Recovered): Promise<Recovered> {
  const newest = recovered.segments.at(-1)?.index ?? 0;
  const movedOn = recovered.liveMissing && segmentFiles(await files.list()).some(({ index }) => index === newest + 1);
  return movedOn && recovered.damage.length === 0
    ? { ...recovered, liveMissing: false, marksDoubtful: false }
    : recovered;
}

/** Every event of the view that is sound, oldest first, from segments that are still there. */
export async function* viewedEvents(files: LedgerReader, view: LedgerView): AsyncGenerator<StoredEvent, void> {
  for (const segment of view.viewed) {
    const bytes = await readAround(files, segment.name, 0, segment.bytes).catch(unlessGone);
    if (bytes === undefined) continue;
    for (const scanned of scanFrames(bytes.subarray(0, segment.stop), SEGMENT_HEADER_BYTES, segmentSalt(segment))) {
      if (scanned.kind !== 'frame' || scanned.frame.kind !== FRAME_KIND.event) continue;
      if (scanned.frame.seq > segment.through) continue;
      yield decodeEventBody(segment.life, segment.epoch, scanned.frame.seq, scanned.frame.body);
    }
  }
}

export function fateOf(life: Life | undefined, seq: number): EventFate {
  if (life === undefined || life.handed.has(seq)) return 'handed';
  if (life.dead.has(seq)) return 'dead';
  return life.released.has(seq) ? 'released' : 'unsent';
}

function viewOf(recovered: Recovered): LedgerView {
  const { segments, state } = recovered;
  const oldest = segments[0];
  if (oldest !== undefined) state.startsAt(oldest.life, oldest.baseSeq);
  const viewed = segments.map((segment, at) => {
    // What was committed since the look at the marks is left for the next look.
    const seen = state.life(segment.life)?.last ?? Number.MAX_SAFE_INTEGER;
    return {
      ...segment,
      stop: state.ends.get(segment.index),
      through: Math.min(voidBehind(segment, segments[at + 1]), seen),
    };
  });
  return { ...recovered, viewed };
}

export function unlessGone(error: unknown): undefined {
  if (systemCodeOf(error) !== 'ENOENT') throw error;
}
