/**
 * The newest lines of the log, kept in memory for a diagnosis: of the level `info` and more serious ones, written or not.
 * Bounded in lines and bytes; the oldest give room.
 */
import type { Clock, LogControl, LogLine } from '../ports.ts';
import type { Document } from './command.ts';
import { lineDocument } from './log-line.ts';

const LINES_MAX = 500;
const BYTES_MAX = 128 * 1024;

export class LogRing {
  readonly #clock: Clock;
  #lines: string[] = [];
  #bytes = 0;

  constructor(clock: Clock, logControl: Pick<LogControl, 'tap'>) {
    this.#clock = clock;
    logControl.tap('info', (line) => this.#take(line));
  }

  /** Oldest first. */
  get lines(): readonly Document[] {
    return this.#lines.map((line) => JSON.parse(line) as Document);
  }

  #take(line: LogLine): void {
    const text = JSON.stringify(lineDocument(line, this.#clock.wallMs()));
    this.#lines.push(text);
    this.#bytes += text.length;
    while (this.#lines.length > LINES_MAX || (this.#bytes > BYTES_MAX && this.#lines.length > 1)) {
      this.#bytes -= this.#lines.shift()?.length ?? 0;
    }
  }
}
