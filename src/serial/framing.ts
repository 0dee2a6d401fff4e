/**
 * How frames are cut and checked, as the configuration says it: `DeviceConfig['sensors'][number]['framing' | 'check']` fits
 * these. Texts of bytes are those of bytes-text.ts. `max` is the most bytes of a frame.
 */

/** Frames end with a delimiter, which is not part of them. With "\n" a "\r" before it is dropped too. */
export interface LineFraming {
  readonly type: 'line';
  readonly delimiter: string;
  readonly max: number;
}

/** From `start` to the first `end` after it, both part of the frame, and `trailer` bytes more. */
export interface BetweenFraming {
  readonly type: 'between';
  readonly start: string;
  readonly end: string;
  readonly trailer: number;
  readonly max: number;
}

export type LengthType = 'u8' | 'u16be' | 'u16le';

/** Begins with `sync`; the whole frame has `adjust` bytes more than the number at `lengthAt` says. */
export interface LengthFraming {
  readonly type: 'length';
  readonly sync: string;
  readonly lengthAt: number;
  readonly lengthType: LengthType;
  readonly adjust: number;
  readonly max: number;
}

/** Begins with `sync` and has `length` bytes; where `tail` is given, the last ones are those. */
export interface FixedFraming {
  readonly type: 'fixed';
  readonly sync: string;
  readonly length: number;
  readonly tail?: string | undefined;
}

/** Silence ends a frame. */
export interface GapFraming {
  readonly type: 'gap';
  /** Milliseconds without a byte. */
  readonly silence: number;
  readonly max: number;
}

/** RFC 1055 (END c0, ESC db), or HDLC's octet stuffing (7e, 7d, the octet xor 20), as Sensirion's SHDLC uses it. */
export interface SlipFraming {
  readonly type: 'slip';
  readonly escape: 'rfc1055' | 'hdlc';
  readonly max: number;
}

/** SML transport, version 1: 1b1b1b1b 01010101 ... 1b1b1b1b 1a, number of fill bytes, CRC-16/X-25; it brings its own check. */
export interface SmlFraming {
  readonly type: 'sml';
  readonly max: number;
}

export type Framing =
  | LineFraming
  | BetweenFraming
  | LengthFraming
  | FixedFraming
  | GapFraming
  | SlipFraming
  | SmlFraming;

/** A CRC by the parameters of the Rocksoft model. Values of `poly`, `init`, `xorout` are hex digits without 0x. */
export interface CrcParameters {
  readonly width: number;
  readonly poly: string;
  readonly init: string;
  readonly refin: boolean;
  readonly refout: boolean;
  readonly xorout: string;
}

/** Where a check value stands and what it covers. Negative places count from the end of the frame. */
interface CheckPlace {
  /** First byte that is covered. */
  readonly from: number;
  /** First byte that is not covered any more; default: `at`. */
  readonly to?: number | undefined;
  /** First byte of the check value; default: it is the end of the frame. */
  readonly at?: number | undefined;
  /** Most significant byte first, last, or as hexadecimal digits. */
  readonly as: 'be' | 'le' | 'hex';
  /** The decoder gets only what is covered. */
  readonly strip: boolean;
}

/**
 * - `xor8`: exclusive or of all bytes. `sum8`, `sum16`: their sum. `lrc`: what makes the sum of all 0.
 * - `invert`: the one's complement of the sum.
 */
export interface SumCheck extends CheckPlace {
  readonly type: 'xor8' | 'sum8' | 'sum16' | 'lrc';
  readonly invert: boolean;
}

export interface CrcCheck extends CheckPlace {
  readonly type: 'crc';
  /** A name of the catalogue (crc.ts), or parameters. */
  readonly preset?: string | undefined;
  readonly parameters?: CrcParameters | undefined;
}

export type Check = { readonly type: 'none' } | SumCheck | CrcCheck;
