/**
 * Where a sensor's records come from: a line with frames (line-source.ts) or a Modbus server (modbus-source.ts). A source
 * opens, asks and decodes; what the records become is the sensor's.
 */
import type { LineCounters } from '../serial/line.ts';
import type { DecodedRecord } from './record.ts';

export interface SourceEvents {
  /** Readings may come now: the line is open, and what is said on it first has been said. */
  up(): void;
  down(reason: string): void;
  /** `raw`: the frame as it came off the line. `generation`: of the connection it came on, for the answer. */
  record(generation: number, record: DecodedRecord, raw: Buffer): void;
  /** Bytes that are no frame, or a frame that means nothing. */
  bad(bytes: number): void;
  /** A request brought nothing, and neither did its repetitions. `why`: one of few fixed texts; undefined: no answer came. */
  silent(why?: string): void;
}

export interface SourceCounters extends LineCounters {
  /** Frames that could not be decoded. */
  readonly invalid: number;
  /** Requests, those of them without a sound answer, and those that were sent again. */
  readonly requests: number;
  readonly silences: number;
  readonly repeated: number;
  /** Times of polls at which nothing was asked: the last request was still under way, or the unit rested. */
  readonly pollsSkipped: number;
  /** Answers that said no (Modbus exceptions). */
  readonly exceptions: number;
}

export interface Source {
  readonly counters: SourceCounters;
  /**
   * The time from one request to the next, milliseconds, of the most frequent; by the clock, as it is now. Undefined:
   * nothing is asked, or that is not known yet.
   */
  readonly beatMs: number | undefined;
  start(): void;
  stop(): Promise<void>;
  /** Rejects with Fault `line.closed` unless this generation is up and takes the bytes. */
  write(generation: number, bytes: Buffer): Promise<void>;
  /**
   * Writes while nothing is asked. `listen` is called just before, and nothing else is written until it settles. Rejects with
   * Fault `line.closed`, or `line.silent` where a request on the line does not end.
   */
  exchange<Result>(bytes: Buffer, listen: () => Promise<Result>): Promise<Result>;
  /** Closes the connection that is up and opens the line again. */
  reopen(reason: string): void;
  /** What the bytes of the line look like, when none of them made a reading; undefined: nothing to say. */
  hint(): string | undefined;
}
