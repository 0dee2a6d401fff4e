/**
 * The live log on `up/log`, for as long as somebody has asked for it. At most so many lines a second: beyond that they are
 * counted, and the next line says how many. What telling a line may cause to be logged is not told, so the log never feeds
 * on itself. It ends with its time, and with the link.
 */
import type { Clock, LogControl, LogLevel, LogLine, Timer } from '../ports.ts';
import { Lease } from './lease.ts';
import { lineDocument } from './log-line.ts';

/** More nobody reads as they come, and a mobile link has better things to carry. */
const LINES_A_SECOND = 50;

export interface LogTailOptions {
  readonly clock: Clock;
  readonly logControl: Pick<LogControl, 'tap'>;
  /** False: not sent. Never logs. */
  readonly publish: (payload: Buffer) => boolean;
}

export class LogTail {
  readonly #options: LogTailOptions;
  readonly #lease: Lease;
  #tap: Timer | undefined;
  #telling = false;
  #secondMs = Number.NEGATIVE_INFINITY;
  #inSecond = 0;
  #dropped = 0;

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock);
  }

  /** In place of one that runs. Returns when it ends, wall milliseconds. */
  begin(level: LogLevel, ms: number): number {
    this.#tap?.cancel();
    this.#dropped = 0;
    this.#tap = this.#options.logControl.tap(level, (line) => this.#take(line));
    return this.#lease.begin(ms, () => this.#tap?.cancel());
  }

  end(): void {
    this.#lease.end();
  }

  #take(line: LogLine): void {
    if (this.#telling) return;
    const { clock, publish } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#secondMs >= 1000) {
      this.#secondMs = nowMs;
      this.#inSecond = 0;
    }
    if (this.#inSecond >= LINES_A_SECOND) {
      this.#dropped += 1;
      return;
    }
    this.#inSecond += 1;
    this.#telling = true;
    const isSent = publish(encodeLine(line, clock.wallMs(), this.#dropped));
    this.#telling = false;
    this.#dropped = isSent ? 0 : this.#dropped + 1;
  }
}

/** `dropped`: lines before this one that were not told; left out when there were none. */
function encodeLine(line: LogLine, wallMs: number, dropped: number): Buffer {
  const told = { v: 1, ...lineDocument(line, wallMs), ...(dropped === 0 ? {} : { dropped }) };
  return Buffer.from(JSON.stringify(told), 'utf8');
}
