/**
 * A conversation on one connection of a line, before or between its frames: while it lasts, what comes goes here and not to
 * the framer. Ends by itself when the connection does. Holds at most 4 KiB.
 */
import { Fault } from '../fault.ts';
import type { Clock, Timer } from '../ports.ts';
import type { Line } from '../serial/line.ts';
import { bytesOfText } from '../bytes-text.ts';
import type { Step } from './config.ts';

const HELD_BYTES_MAX = 4096;

/** Where in the bytes the wanted answer ends; undefined while it is not there. */
export type Match = (held: Buffer) => number | undefined;

interface Wanted {
  readonly match: Match;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (fault: Fault) => void;
  readonly timer: Timer;
}

export class Talk {
  readonly #line: Pick<Line, 'write' | 'setBaudRate' | 'divert'>;
  readonly #clock: Clock;
  readonly #generation: number;
  #held: Buffer = Buffer.alloc(0);
  #wanted: Wanted | undefined;
  #wakes = new Set<{ readonly timer: Timer; readonly reject: (fault: Fault) => void }>();
  #over = false;

  constructor(line: Pick<Line, 'write' | 'setBaudRate' | 'divert'>, clock: Clock, generation: number) {
    this.#line = line;
    this.#clock = clock;
    this.#generation = generation;
    line.divert(generation, (chunk) => this.#take(chunk));
  }

  /** What came before is forgotten: an answer is what comes after its request. */
  write(bytes: Buffer): Promise<void> {
    this.#held = Buffer.alloc(0);
    return this.#line.write(this.#generation, bytes);
  }

  setBaudRate(baudRate: number): Promise<void> {
    return this.#line.setBaudRate(this.#generation, baudRate);
  }

  /** Resolves with the bytes through the end of the answer. Rejects with Fault `line.silent` after `timeoutMs`. */
  expect(match: Match, timeoutMs: number, what: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(gone());
      const timer = this.#clock.after(timeoutMs, () => {
        this.#wanted = undefined;
        reject(new Fault('line.silent', `no ${what} within ${timeoutMs} ms`));
      });
      this.#wanted = { match, resolve, reject, timer };
      this.#look();
    });
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(gone());
      const wake = {
        reject,
        timer: this.#clock.after(ms, () => {
          this.#wakes.delete(wake);
          resolve();
        }),
      };
      this.#wakes.add(wake);
    });
  }

  /** The framer has the line again; `rest`: with what came after the last answer. */
  end(rest: 'rest' | 'nothing'): void {
    if (this.#over) return;
    this.abort();
    this.#line.divert(this.#generation, undefined, rest === 'rest' ? this.#held : undefined);
  }

  /** The connection is gone. */
  abort(): void {
    this.#over = true;
    this.#wanted?.timer.cancel();
    this.#wanted?.reject(gone());
    this.#wanted = undefined;
    for (const { timer, reject } of this.#wakes) {
      timer.cancel();
      reject(gone());
    }
    this.#wakes.clear();
  }

  #take(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]).subarray(-HELD_BYTES_MAX);
    this.#look();
  }

  #look(): void {
    const wanted = this.#wanted;
    const end = wanted?.match(this.#held);
    if (wanted === undefined || end === undefined) return;
    this.#wanted = undefined;
    wanted.timer.cancel();
    const answer = this.#held.subarray(0, end);
    this.#held = this.#held.subarray(end);
    wanted.resolve(answer);
  }
}

/** Rejects with the fault of the step that failed. */
export async function takeSteps(talk: Talk, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.wait !== undefined) await talk.wait(step.wait);
    if (step.write !== undefined) await talk.write(bytesOfText(step.write));
    if (step.expect !== undefined) {
      await talk.expect(found(bytesOfText(step.expect)), step.timeout, `answer ${JSON.stringify(step.expect)}`);
    }
    if (step.baudRate !== undefined) await talk.setBaudRate(step.baudRate);
  }
}

function found(wanted: Buffer): Match {
  return (held) => {
    const at = held.indexOf(wanted);
    return at === -1 ? undefined : at + wanted.length;
  };
}

function gone(): Fault {
  return new Fault('line.closed', 'the connection is gone');
}
