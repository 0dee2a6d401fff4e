/**
 * What a virtual meter is: it talks by itself, or answers what it is asked, and says with each frame what a right decoder
 * must find in it. It knows neither line nor clock: bytes and times are handed in, chance comes from a seed, so the same
 * seed, times and requests give the same bytes.
 */
import type { Random } from '../random.ts';

/** Decoded values by the names that the profile's decoder gives them, each as the exact text. */
export type Truth = Readonly<Record<string, string>>;

export interface SimulatedFrame {
  /** As on the line, with all that frames it. */
  readonly bytes: Buffer;
  /** Left out where the bytes are no reading: an identification, an acknowledgement. */
  readonly truth?: Truth;
}

export interface VirtualMeter {
  /** Milliseconds from one `speak` to the next; undefined: it says nothing unasked. */
  readonly everyMs: number | undefined;
  speak(atMs: number): readonly SimulatedFrame[];
  /** Bytes that were written to it, cut anyhow. */
  hear(bytes: Buffer, atMs: number): readonly SimulatedFrame[];
}

export type CreateMeter = (random: Random) => VirtualMeter;

/** A meter that talks and does not listen. */
export function talkingMeter(everyMs: number, speak: VirtualMeter['speak']): VirtualMeter {
  return { everyMs, speak, hear: () => [] };
}

/**
 * How many of the first held bytes make a request; 0: not whole yet; negative: so many are the beginning of none.
 */
export type RequestLength = (held: Buffer) => number;
export type Answer = (request: Buffer, atMs: number) => readonly SimulatedFrame[];

/** Longer than any request; what is still no request by then is thrown away. */
const HELD_MAX = 512;

/** Cuts requests out of the bytes and answers each. */
export function listener(lengthOf: RequestLength, answer: Answer): VirtualMeter['hear'] {
  let held: Buffer = Buffer.alloc(0);
  return (bytes, atMs) => {
    held = Buffer.concat([held, bytes]).subarray(-HELD_MAX);
    const frames: SimulatedFrame[] = [];
    while (held.length > 0) {
      const length = lengthOf(held);
      if (length === 0) break;
      if (length > 0) frames.push(...answer(Buffer.from(held.subarray(0, length)), atMs));
      held = held.subarray(Math.abs(length));
    }
    return frames;
  };
}

/** A meter that only answers. */
export function askedMeter(lengthOf: RequestLength, answer: Answer): VirtualMeter {
  return { everyMs: undefined, speak: () => [], hear: listener(lengthOf, answer) };
}

/** Requests that are lines of text. */
export function lineLength(held: Buffer): number {
  return held.indexOf('\n') + 1;
}
