/**
 * The event as it is kept and sent: one JSON text (DESIGN section 4), written once and never serialised again, because
 * brokers compare the bytes of a resend. `prev` is the sha256 of the previous event's bytes: the chain.
 */
import { hash } from 'node:crypto';
import { EVENT_BYTES_MAX } from '../limits.ts';
import type { ClockQuality, EventDraft, EventSigner } from '../ports.ts';
import type { EventContent } from './state.ts';

/** No event's JSON is shorter: bounds how many events a damaged stretch of bytes can have held. */
export const EVENT_BYTES_MIN = 160;

/** A sensor's own epoch is a boot counter or a random name. It is kept with the sources in every segment's head. */
const SOURCE_EPOCH_LETTERS_MAX = 64;

export interface StoredEvent {
  readonly life: number;
  readonly epoch: string;
  readonly seq: number;
  readonly stream: string;
  /** The exact bytes of the event. */
  readonly payload: Buffer;
}

/** What the agent adds to a draft when it accepts it. */
export interface EventStamp {
  readonly device: string;
  readonly epoch: string;
  readonly seq: number;
  readonly timeMs: number;
  readonly clock: ClockQuality;
  readonly boot: string;
  readonly uptimeMs: number;
  readonly prev: string;
}

/** Between what is signed and its signature: the last such text in an event. */
export const SIGNATURE_MARK = ',"sig":';

/**
 * The event's exact bytes. Members in the order of DESIGN section 4; `key` and `sig` stand last, and `sig` covers the
 * literal bytes before it, so that nobody has to serialise anything to check it.
 */
export function encodeEvent(draft: EventDraft, stamp: EventStamp, signer?: EventSigner): Buffer {
  const text = JSON.stringify({
    v: 1,
    device: stamp.device,
    epoch: stamp.epoch,
    seq: stamp.seq,
    time: new Date(stamp.timeMs).toISOString(),
    clock: stamp.clock,
    boot: stamp.boot,
    uptime_ms: stamp.uptimeMs,
    sensor: draft.sensor,
    stream: draft.stream,
    type: draft.type,
    data: draft.data,
    source: draft.source,
    raw: draft.raw?.toString('base64'),
    prev: stamp.prev,
    key: signer?.keyId,
  });
  if (signer === undefined) return Buffer.from(text, 'utf8');
  const signed = Buffer.from(text.slice(0, -1), 'utf8');
  return Buffer.concat([signed, Buffer.from(`${SIGNATURE_MARK}"${signer.sign(signed)}"}`, 'utf8')]);
}

/** sha256 of an event's bytes, base64url without padding. */
export function eventHash(payload: Buffer): string {
  return hash('sha256', payload, 'base64url');
}

/** A reason why this draft can not become an event, or undefined. */
export function draftFault(draft: EventDraft): string | undefined {
  for (const [what, name] of [
    ['sensor', draft.sensor],
    ['stream', draft.stream],
    ['type', draft.type],
  ] as const) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(name))
      return `${what} must match [A-Za-z0-9._-]{1,64}, got "${name.slice(0, 80)}"`;
  }
  const epochLetters = draft.source?.epoch.length ?? 0;
  if (epochLetters > SOURCE_EPOCH_LETTERS_MAX) {
    return `source epoch must have at most ${SOURCE_EPOCH_LETTERS_MAX} letters, got ${epochLetters}`;
  }
  const roughBytes = roughDataBytes(draft.data) + (draft.raw?.length ?? 0) * 2 + 1024;
  if (roughBytes <= EVENT_BYTES_MAX) return undefined;
  const exact = Buffer.byteLength(JSON.stringify({ ...draft, raw: draft.raw?.toString('base64') })) + 1024;
  return exact > EVENT_BYTES_MAX ? `event must be at most ${EVENT_BYTES_MAX} bytes, got about ${exact}` : undefined;
}

/** No less than the JSON of `data` takes; a letter takes six bytes at most (a control character). */
function roughDataBytes(data: EventDraft['data']): number {
  let letters = 0;
  for (const name in data) {
    const field = data[name];
    const value = field?.value;
    letters += name.length + (field?.unit?.length ?? 0) + (typeof value === 'string' ? value.length : 30);
    letters += 10;
  }
  return letters * 6;
}

/** A device has a handful of streams. */
const BODY_HEADS_MAX = 64;
const bodyHeads = new Map<string, Buffer>();

/** The body of an event's frame: length of the stream's name, the name, the event's bytes. */
export function encodeEventBody(stream: string, payload: Buffer): Buffer[] {
  let head = bodyHeads.get(stream);
  if (head === undefined) {
    if (bodyHeads.size >= BODY_HEADS_MAX) bodyHeads.clear();
    head = Buffer.from(`${String.fromCharCode(stream.length)}${stream}`, 'latin1');
    bodyHeads.set(stream, head);
  }
  return [head, payload];
}

/** The event of a sound frame. Its payload is a copy. */
export function decodeEventBody(life: number, epoch: string, seq: number, body: Buffer): StoredEvent {
  const streamEnd = 1 + (body[0] ?? 0);
  const stream = body.toString('latin1', 1, streamEnd);
  return { life, epoch, seq, stream, payload: Buffer.from(body.subarray(streamEnd)) };
}

/** What recovery needs of an event's text. */
export function parseEventContent(payload: Buffer): EventContent {
  return JSON.parse(payload.toString('utf8')) as EventContent;
}
