/**
 * `sensor.capture`: the bytes of a sensor's line as they come, for whoever has to find out from afar why they mean nothing.
 * Taken beside the decoding, which notices nothing of it. Bounded in time and bytes; one at a time for a sensor.
 */
import * as v from 'valibot';
import type { Clock, Timer } from '../ports.ts';
import { count, text, time } from './answers.ts';
import { sensorId, wholeNumber } from './args.ts';
import { chunkedEntries, sendChunks } from './chunks.ts';
import { type Command, CommandFailure, defineCommand, type RunContext } from './command.ts';
import { find, SENSOR_ERRORS } from './sensors.ts';

const SECONDS_MAX = 300;
const CAPTURE_BYTES_MAX = 1024 * 1024;
/** As `data` of the answer; beyond that in pieces. */
const INLINE_BYTES_MAX = 64 * 1024;
const FIRST_ROOM_BYTES = 4096;
/** A line at speed brings thousands of chunks a second. */
const PIECES_MAX = 1000;

export interface CapturedSensor {
  readonly id: string;
  state(): { readonly state: string; readonly why: string };
}

export interface CaptureSources {
  readonly clock: Clock;
  readonly sensors: readonly CapturedSensor[];
  /** From now on copies of what comes over the sensor's line go to `take`. */
  readonly tap: (sensor: string, take: (chunk: Buffer) => void) => Timer;
}

interface Captured {
  readonly bytes: Buffer;
  readonly pieces: readonly (readonly [ms: number, bytes: number])[];
  readonly lastedMs: number;
}

const resultSchema = v.strictObject({
  sensor: text('Its id.'),
  at: time('When it began.'),
  lasted_ms: count('How long it took, milliseconds.'),
  state: text('State of the sensor at the end.'),
  why: text('Why it is in that state.'),
  received: count('How many bytes came.'),
  pieces: v.pipe(
    v.array(v.tuple([v.number(), v.number()])),
    v.description('When they came: milliseconds since `at`, and how many bytes; the first 1000 pieces.'),
  ),
  data: v.optional(text('The bytes in base64, up to 64 KiB of them; more come in pieces.')),
  content_type: v.optional(chunkedEntries.content_type),
  bytes: v.optional(chunkedEntries.bytes),
  sha256: v.optional(chunkedEntries.sha256),
  chunks: v.optional(chunkedEntries.chunks),
});

export function captureCommand({ clock, sensors, tap }: CaptureSources): Command {
  const running = new Set<string>();
  return defineCommand({
    name: 'sensor.capture',
    changes: false,
    summary: "Answers with the bytes that come over a sensor's line for a while, beside its readings.",
    args: v.strictObject({
      sensor: sensorId,
      seconds: v.optional(wholeNumber(SECONDS_MAX, 1), 10),
      bytes: v.optional(wholeNumber(CAPTURE_BYTES_MAX, 1), INLINE_BYTES_MAX),
    }),
    result: resultSchema,
    errors: { ...SENSOR_ERRORS, 'sensor.busy': 'A capture of this sensor is under way.' },
    run: async ({ sensor: id, seconds, bytes: bytesMax }, context) => {
      const sensor = find(sensors, id);
      if (running.has(id)) throw new CommandFailure('sensor.busy', `a capture of ${id} is under way`, 'rejected');
      running.add(id);
      try {
        const at = new Date(clock.wallMs()).toISOString();
        const captured = await capture(clock, (take) => tap(id, take), seconds * 1000, bytesMax);
        const { state, why } = sensor.state();
        const { bytes, pieces, lastedMs } = captured;
        const facts = { sensor: id, at, lasted_ms: lastedMs, state, why, received: bytes.length, pieces };
        return { ...facts, ...(await contentOf(context, bytes)) };
      } finally {
        running.delete(id);
      }
    },
  });
}

/** Until `ms` have passed or so many bytes have come. */
function capture(
  clock: Clock,
  tap: (take: (chunk: Buffer) => void) => Timer,
  ms: number,
  bytesMax: number,
): Promise<Captured> {
  return new Promise((resolve) => {
    const beganMs = clock.monotonicMs();
    const held = new Held(bytesMax);
    const pieces: (readonly [number, number])[] = [];
    const end = (): void => {
      listening.cancel();
      timer.cancel();
      resolve({ bytes: held.bytes, pieces, lastedMs: Math.round(clock.monotonicMs() - beganMs) });
    };
    const timer = clock.after(ms, end);
    const listening = tap((chunk) => {
      const taken = held.put(chunk);
      if (pieces.length < PIECES_MAX) pieces.push([Math.round(clock.monotonicMs() - beganMs), taken]);
      if (held.isFull) end();
    });
  });
}

/** In one piece, which grows: a Buffer for each byte of a slow line would take a hundred times what it holds. */
class Held {
  readonly #bytesMax: number;
  #room = Buffer.alloc(0);
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  get isFull(): boolean {
    return this.#length >= this.#bytesMax;
  }

  /** How many of them it had room for. */
  put(chunk: Buffer): number {
    const piece = chunk.subarray(0, this.#bytesMax - this.#length);
    const length = this.#length + piece.length;
    if (length > this.#room.length) {
      const room = Buffer.alloc(Math.min(this.#bytesMax, Math.max(FIRST_ROOM_BYTES, 2 * length)));
      this.bytes.copy(room);
      this.#room = room;
    }
    piece.copy(this.#room, this.#length);
    this.#length = length;
    return piece.length;
  }
}

async function contentOf(context: RunContext, bytes: Buffer): Promise<Readonly<Record<string, unknown>>> {
  if (bytes.length <= INLINE_BYTES_MAX) return { data: bytes.toString('base64') };
  return { ...(await sendChunks(context, 'application/octet-stream', bytes)) };
}
