/**
 * Writes a capture file as the bytes come: each record goes to the system at once, so that a kill costs the last one at the
 * most. Never writes over a file that is there.
 */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { captureHeaderText, type CaptureRecord, captureRecordText } from '../serial/capture.ts';

export class CaptureWriter {
  readonly #path: string;
  readonly #file: number;
  readonly #startedMs = performance.now();

  /** Throws Fault `usage` where the file is there already, `state.disk` where it can not be made. */
  constructor(path: string, port: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'wx');
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') throw new Fault('usage', `--out: must not be there yet, got ${path}`);
      throw this.#fault(error);
    }
    this.#put(captureHeaderText({ port, at: new Date().toISOString() }));
  }

  /** Throws Fault `state.disk`. */
  bytes(bytes: Buffer): void {
    this.#record({ kind: 'bytes', atMs: this.#atMs(), bytes });
  }

  opened(): void {
    this.#record({ kind: 'open', atMs: this.#atMs() });
  }

  lost(why: string): void {
    this.#record({ kind: 'lost', atMs: this.#atMs(), why });
  }

  /** Nothing was captured: the file goes too. */
  discard(): void {
    unlinkSync(this.#path);
  }

  close(): void {
    closeSync(this.#file);
  }

  #atMs(): number {
    return performance.now() - this.#startedMs;
  }

  #record(record: CaptureRecord): void {
    this.#put(captureRecordText(record));
  }

  #put(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let from = 0; from < bytes.length; ) from += writeSync(this.#file, bytes, from);
    } catch (error) {
      throw this.#fault(error);
    }
  }

  #fault(error: unknown): Fault {
    return new Fault('state.disk', `${this.#path}: ${reasonOf(error)}`, { cause: error });
  }
}
