/**
 * Frames between delimiters that are escaped within: RFC 1055, or the octet stuffing of HDLC (RFC 1662, section 4.2), which
 * Sensirion's SHDLC uses too. On the wire they are lines; here their escapes are undone. Discarded frames count with
 * their escapes, as they came.
 */
import { frameOutput, type OpenFrame } from './check.ts';
import type { Framer, FramerOutput } from './framer.ts';
import { LineFramer } from './line-framer.ts';

export interface SlipFramerOptions {
  readonly escape: 'rfc1055' | 'hdlc';
  /** Bytes of a frame without its escapes. */
  readonly max: number;
  /** The first bytes may belong to a frame whose beginning was never seen. */
  readonly startsTorn: boolean;
  readonly open: OpenFrame;
}

export class SlipFramer implements Framer {
  readonly #stuffing: Stuffing;
  readonly #max: number;
  readonly #open: OpenFrame;
  readonly #lines: LineFramer;

  constructor(options: SlipFramerOptions) {
    const { escape, max, startsTorn, open } = options;
    this.#stuffing = escape === 'hdlc' ? HDLC : RFC_1055;
    this.#max = max;
    this.#open = open;
    // With every byte escaped a frame is twice as long.
    this.#lines = new LineFramer({ delimiter: Buffer.of(this.#stuffing.end), max: 2 * max, startsTorn });
  }

  push(chunk: Buffer): readonly FramerOutput[] {
    return this.#lines.push(chunk).map((line) => (line.kind === 'frame' ? this.#unescape(line.bytes) : line));
  }

  end(): readonly FramerOutput[] {
    return this.#lines.end();
  }

  #unescape(line: Buffer): FramerOutput {
    const frame = unescaped(line, this.#stuffing);
    if (frame === undefined) return { kind: 'discarded', count: line.length, reason: 'escape' };
    if (frame.length > this.#max) return { kind: 'discarded', count: line.length, reason: 'oversize' };
    return frameOutput(frame, this.#open) ?? { kind: 'discarded', count: line.length, reason: 'check' };
  }
}

interface Stuffing {
  readonly end: number;
  readonly escape: number;
  /** What an escaped byte stands for; undefined: nothing. */
  readonly meant: (escaped: number) => number | undefined;
}

const RFC_1055: Stuffing = {
  end: 0xc0,
  escape: 0xdb,
  meant: (escaped) => (escaped === 0xdc ? 0xc0 : escaped === 0xdd ? 0xdb : undefined),
};
/** An escape before the end, which says that the sender gave the frame up, leaves it without its last byte: no frame. */
const HDLC: Stuffing = { end: 0x7e, escape: 0x7d, meant: (escaped) => escaped ^ 0x20 };

function unescaped(line: Buffer, { escape, meant }: Stuffing): Buffer | undefined {
  const frame = Buffer.allocUnsafe(line.length);
  let length = 0;
  for (let at = 0; at < line.length; at += 1) {
    let byte = line[at];
    if (byte === escape) {
      at += 1;
      const escaped = line[at];
      byte = escaped === undefined ? undefined : meant(escaped);
    }
    if (byte === undefined) return undefined;
    frame[length] = byte;
    length += 1;
  }
  return frame.subarray(0, length);
}
