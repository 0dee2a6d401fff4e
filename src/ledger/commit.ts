/**
 * Composes a commit: drafts become numbered, chained events, and events, marks and session marks become frames. Pure:
 * nothing counts until the frames are written, so a failed commit leaves no trace in the state.
 */
import { encodeEvent, encodeEventBody, eventHash, type StoredEvent } from './event.ts';
import type { WaitingAppend } from './append-queue.ts';
import type { EventSigner } from '../ports.ts';
import { FRAME_KIND } from './frame.ts';
import { encodeMarks, type Marks } from './marks.ts';
import type { FrameDraft } from './segment-writer.ts';
import type { Life, SessionMark } from './state.ts';

export interface ComposedEvent {
  readonly append: WaitingAppend;
  readonly event: StoredEvent;
  readonly hash: string;
}

/** Events from the front of `appends` up to `bytesMax` of payload, at least one; the rest waits for the next commit. */
export function composeEvents(
  appends: readonly WaitingAppend[],
  life: Life,
  identity: { readonly device: string; readonly boot: { readonly id: string }; readonly signer?: EventSigner },
  bytesMax: number,
): { readonly batch: readonly ComposedEvent[]; readonly rest: readonly WaitingAppend[] } {
  const batch: ComposedEvent[] = [];
  let prev = life.lastHash;
  let bytes = 0;
  for (const append of appends) {
    if (bytes >= bytesMax) break;
    const seq = life.last + batch.length + 1;
    const { draft, timeMs, uptimeMs, clock } = append;
    const stamp = {
      device: identity.device,
      boot: identity.boot.id,
      epoch: life.epoch,
      seq,
      prev,
      timeMs,
      uptimeMs,
      clock,
    };
    const payload = encodeEvent(draft, stamp, identity.signer);
    prev = eventHash(payload);
    bytes += payload.length;
    const event = { life: life.ordinal, epoch: life.epoch, seq, stream: draft.stream, payload };
    batch.push({ append, event, hash: prev });
  }
  return { batch, rest: appends.slice(batch.length) };
}

export function framesOf(
  batch: readonly ComposedEvent[],
  marks: readonly Marks[],
  sessions: readonly SessionMark[],
): FrameDraft[] {
  const frames: FrameDraft[] = batch.map(({ event }) => ({
    kind: FRAME_KIND.event,
    seq: event.seq,
    body: encodeEventBody(event.stream, event.payload),
  }));
  for (const body of encodeMarks(marks)) frames.push({ kind: FRAME_KIND.marks, seq: 0, body: [body] });
  for (const session of sessions) {
    frames.push({ kind: FRAME_KIND.session, seq: 0, body: [Buffer.from(JSON.stringify(session), 'utf8')] });
  }
  return frames;
}
