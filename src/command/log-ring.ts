/**
 * The newest lines of the log, kept in memory for a diagnosis: of the level `info` and more serious ones, written or not.
 * Bounded in lines and bytes; the oldest give room.
 */
import type { Clock, LogControl, LogLine, Timer } from '../ports.ts';
import type { Document } from './command.ts';
import { lineDocument } from './log-line.ts';

const LINES_MAX = 500;
const BYTES_MAX = 128 * 1024;

export class LogRing {
  readonly #clock: Clock;
  readonly #tap: Timer;
  #lines: string[] = [];
  #bytes = 0;

  constructor(clock: Clock, logControl: Pick<LogControl, 'tap'>) {
    this.#clock = clock;
    this.#tap = logControl.tap('info', (line) => this.#take(line));
  }

  /** Oldest first. */
  get lines(): readonly Document[] {
    return this.#lines.map((line) => JSON.parse(line) as Document);
  }

  /** The log outlives the agent: what is not ended would be fed for as long as the process runs. */
  stop(): void {
    this.#tap.cancel();
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
