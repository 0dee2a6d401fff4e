/**
 * What every framer is: it cuts the byte stream of one connection into frames, and what is not a frame comes out too, as
 * `discarded` with its count, so that noise shows in figures and not in silence. Memory is fixed at the framing's `max`,
 * time is linear in the bytes whatever they are, and, but for `gap`, the result does not depend on how the bytes were cut
 * into chunks. A framer serves one connection: a frame torn by an unplug is never glued to what comes after it.
 */

/**
 * - `oversize`: a frame longer than `max`, as far as it was held.
 * - `rest`: further bytes of that frame.
 * - `torn`: what stood before the first delimiter of a connection that may have begun in the middle of a frame.
 * - `noise`: bytes outside any frame.
 * - `check`: a frame whose check value is not that of its bytes; where frames have a start mark, up to the next one in it.
 * - `escape`: a frame with an escape sequence that means nothing.
 * - `closed`: the connection ended in the middle of this frame.
 */
export type DiscardReason = 'oversize' | 'rest' | 'torn' | 'noise' | 'check' | 'escape' | 'closed';

/**
 * `bytes`: the frame as it came off the line (of `slip`, without its escapes). `body`: what the decoder gets: the same,
 * or only what the check covers where the check says `strip`, or the data within SML's marks. Every byte of the line is in
 * one output, but for delimiters, the "\r" that is dropped with one, and the escapes of a frame of `slip`.
 */
export type FramerOutput =
  | { readonly kind: 'frame'; readonly bytes: Buffer; readonly body: Buffer }
  | { readonly kind: 'discarded'; readonly count: number; readonly reason: DiscardReason };

export interface Framer {
  /** Frames are copies; the chunk is not kept. */
  push(chunk: Buffer): readonly FramerOutput[];
  /** The connection has ended. */
  end(): readonly FramerOutput[];
  /** So long without a byte ends the frame, milliseconds; undefined: time means nothing. The owner then calls `silence`. */
  readonly silenceMs?: number;
  silence?(): readonly FramerOutput[];
}

/** Makes the framer of a new connection. `startsTorn`: its first bytes may belong to a frame whose beginning was never seen. */
export type CreateFramer = (startsTorn: boolean) => Framer;
