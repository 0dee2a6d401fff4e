/**
 * Modbus RTU frames of the four reading functions, as the client needs them: the bytes of a request, and the search for
 * its answer in what comes back. Pure. Only a frame with the unit, function, byte count and CRC that the request asks for
 * is an answer. Adapters that echo what they send, and noise before the answer, are passed over.
 *
 *     request    unit  function       address:2  count:2  crc:2     8 bytes
 *     answer     unit  function       n  n bytes          crc:2     5 + n
 *     exception  unit  function|0x80  code                crc:2     5
 *
 * Numbers are big-endian, the CRC is little-endian (MODBUS Application Protocol 1.1b3, 6.1 to 6.4 and 7; MODBUS over
 * Serial Line 1.02, 2.5.1).
 */
import { crcOf, crcPreset } from './crc.ts';

export interface ModbusRead {
  /** Address of the server, 1 to 247. */
  readonly unit: number;
  /** Function: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers. */
  readonly fc: 1 | 2 | 3 | 4;
  /** As on the wire, from 0. */
  readonly at: number;
  /** At most 125 registers or 2000 coils. */
  readonly count: number;
}

export type ModbusAnswer =
  /** `registers`: two bytes each, or coils eight a byte, the first one lowest. `frame`: the whole answer. Copies. */
  | { readonly kind: 'answer'; readonly registers: Buffer; readonly frame: Buffer }
  | { readonly kind: 'exception'; readonly code: number; readonly why: string };

/** What to say when the time for an answer is over. `why` is one of few fixed texts; `hasCome`: no answer is owed any more. */
export type NoAnswer =
  | { readonly kind: 'silent' }
  | { readonly kind: 'garbled'; readonly why: string; readonly hasCome: boolean };

const REQUEST_BYTES = 8;
const EXCEPTION_BYTES = 5;
const HEAD_BYTES = 3;
const CRC_BYTES = 2;

const EXCEPTIONS: Readonly<Record<number, string>> = {
  1: 'illegal function',
  2: 'illegal data address',
  3: 'illegal data value',
  4: 'server device failure',
  5: 'acknowledge',
  6: 'server device busy',
  8: 'memory parity error',
  10: 'gateway path unavailable',
  11: 'gateway target did not respond',
};

const crc16 = crcOf(crcPreset('crc-16-modbus'));

export function encodeRead({ unit, fc, at, count }: ModbusRead): Buffer {
  const request = Buffer.from([unit, fc, at >> 8, at & 0xff, count >> 8, count & 0xff, 0, 0]);
  request.writeUInt16LE(crc16(request, 0, REQUEST_BYTES - CRC_BYTES), REQUEST_BYTES - CRC_BYTES);
  return request;
}

/** Bytes of the whole answer. */
export function answerLength(read: ModbusRead): number {
  return HEAD_BYTES + dataBytes(read) + CRC_BYTES;
}

function dataBytes({ fc, count }: ModbusRead): number {
  return fc <= 2 ? Math.ceil(count / 8) : count * 2;
}

/** What stands at one place of the bytes: the answer, so many bytes that are none, or too little to tell. */
type Look =
  | { readonly kind: 'found'; readonly answer: ModbusAnswer; readonly bytes: number }
  | { readonly kind: 'echo' | 'noise' | 'open' };

const ECHO: Look = { kind: 'echo' };
const NOISE: Look = { kind: 'noise' };
const OPEN: Look = { kind: 'open' };

/** Looks for the answer to one request. Holds less than one answer, 255 bytes, between two chunks. */
export class AnswerSearch {
  readonly request: Buffer;
  readonly #read: ModbusRead;
  #held = Buffer.alloc(0);
  #found: ModbusAnswer | undefined;
  #noiseBytes = 0;
  #checkErrors = 0;

  constructor(read: ModbusRead) {
    this.#read = read;
    this.request = encodeRead(read);
  }

  get found(): ModbusAnswer | undefined {
    return this.#found;
  }

  /** Bytes that belong neither to the answer nor to an echo. */
  get discardedBytes(): number {
    return this.#noiseBytes + this.#held.length;
  }

  /** Frames that would have been the answer, were it not for their CRC. */
  get checkErrors(): number {
    return this.#checkErrors;
  }

  take(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let from = 0;
    while (from < bytes.length && this.#found === undefined) {
      const look = this.#lookAt(bytes, from);
      if (look.kind === 'open') break;
      if (look.kind === 'noise') this.#noiseBytes += 1;
      if (look.kind === 'found') this.#found = look.answer;
      from += look.kind === 'found' ? look.bytes : look.kind === 'echo' ? REQUEST_BYTES : 1;
    }
    if (this.#found === undefined) {
      this.#held = Buffer.from(bytes.subarray(from));
    } else {
      this.#noiseBytes += bytes.length - from;
      this.#held = Buffer.alloc(0);
    }
  }

  /** What there is to say when the time is over and nothing was found. */
  end(): NoAnswer {
    const garbled = (why: string, hasCome = false): NoAnswer => ({ kind: 'garbled', why, hasCome });
    if (this.#checkErrors > 0) return garbled('the CRC of the answer is wrong', true);
    if (this.#held.length > 0) return garbled('the answer is cut off');
    if (this.#noiseBytes > 0) return garbled('bytes that are no answer to this request');
    return { kind: 'silent' };
  }

  #lookAt(bytes: Buffer, from: number): Look {
    const left = bytes.length - from;
    // First of all: with some addresses a request has the look of the beginning of its answer.
    const common = Math.min(left, REQUEST_BYTES);
    if (this.request.compare(bytes, from, from + common, 0, common) === 0) return common < REQUEST_BYTES ? OPEN : ECHO;
    if (bytes[from] !== this.#read.unit) return NOISE;
    if (left < HEAD_BYTES) return OPEN;
    const isException = bytes[from + 1] === (this.#read.fc | 0x80);
    const isAnswer = bytes[from + 1] === this.#read.fc && bytes[from + 2] === dataBytes(this.#read);
    if (!isException && !isAnswer) return NOISE;
    const length = isException ? EXCEPTION_BYTES : answerLength(this.#read);
    if (left < length) return OPEN;
    const frame = Buffer.from(bytes.subarray(from, from + length));
    if (frame.readUInt16LE(length - CRC_BYTES) !== crc16(frame, 0, length - CRC_BYTES)) {
      this.#checkErrors += 1;
      return NOISE;
    }
    return { kind: 'found', answer: answerIn(frame, isException), bytes: length };
  }
}

function answerIn(frame: Buffer, isException: boolean): ModbusAnswer {
  if (!isException) return { kind: 'answer', registers: frame.subarray(HEAD_BYTES, -CRC_BYTES), frame };
  const code = frame.readUInt8(2);
  return { kind: 'exception', code, why: EXCEPTIONS[code] ?? 'unknown exception' };
}
