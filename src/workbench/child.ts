/**
 * A child process of the workbench: its output is kept line by line, its end is a value to wait for, and it is ended by
 * the handle that started it, never by name. Under the real broker and under the agent's own process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { until, within } from './wait.ts';

/** Newest lines kept of a child's output. */
const LINES_MAX = 5000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Child {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #out: string[] = [];
  #ended: Ended | undefined;
  readonly exited: Promise<Ended>;

  constructor(options: ChildOptions) {
    this.#child = spawn(options.command, options.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    keepLines(this.#child.stderr, this.#lines);
    keepLines(this.#child.stdout, this.#out);
    this.exited = new Promise((done) => {
      // 'exit' comes before the last output is read; 'close' comes after both. 'error' alone means it never started.
      this.#child.once('error', (error) => {
        this.#lines.push(`could not start ${options.command}: ${error.message}`);
        this.#ended = { code: -1, signal: null };
        done(this.#ended);
      });
      this.#child.once('close', (code, signal) => {
        this.#ended = { code, signal };
        done(this.#ended);
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Undefined while it runs. */
  get ended(): Ended | undefined {
    return this.#ended;
  }

  /** Lines of its stderr so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Lines of its stdout so far. */
  get outLines(): readonly string[] {
    return this.#out;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#ended === undefined) this.#child.kill(signal);
  }

  /** The first stderr line that matches. Throws at the deadline, or at once when the child ended without that line. */
  async line(pattern: RegExp, deadlineMs: number): Promise<string> {
    return until(
      () => {
        const found = this.#lines.find((line) => pattern.test(line));
        if (found === undefined && this.#ended !== undefined) {
          throw new Error(`ended (${endText(this.#ended)}) before a line like ${pattern}; last: ${this.lastWords()}`);
        }
        return found;
      },
      () => `a line like ${pattern}; last: ${this.lastWords()}`,
      deadlineMs,
    );
  }

  lastWords(count = 5): string {
    return this.#lines.slice(-count).join(' | ') || '(nothing)';
  }

  /** SIGTERM, and SIGKILL after `patienceMs`. */
  async stop(patienceMs: number): Promise<Ended> {
    this.signal('SIGTERM');
    if (!(await within(this.exited, patienceMs))) this.signal('SIGKILL');
    return this.exited;
  }

  async kill9(): Promise<Ended> {
    this.signal('SIGKILL');
    return this.exited;
  }
}

export function endText(ended: Ended): string {
  return ended.signal === null ? `status ${ended.code}` : ended.signal;
}

function keepLines(stream: NodeJS.ReadableStream | null, lines: string[]): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    if (lines.length > LINES_MAX) lines.splice(0, lines.length - LINES_MAX);
  });
  stream?.on('end', () => {
    if (rest !== '') lines.push(rest);
  });
}
