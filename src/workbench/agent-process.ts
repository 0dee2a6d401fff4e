/**
 * The agent as its own process, so that it can be ended as the world ends it: SIGKILL at any moment. Started again, it is
 * a new process on the same device.json and the same ledger.
 */
import { Child, type Ended } from './child.ts';

const STOP_PATIENCE_MS = 10_000;

export interface AgentProcessOptions {
  /** The program and what stands before `run`, such as [node, dist/fieldpost.mjs]. */
  readonly program: readonly [string, ...string[]];
  readonly config: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class AgentProcess {
  readonly #options: AgentProcessOptions;
  #child: Child | undefined;
  #lives = 0;

  constructor(options: AgentProcessOptions) {
    this.#options = options;
  }

  /** How many times it was started. */
  get lives(): number {
    return this.#lives;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.ended === undefined;
  }

  /** The process of the current life; what it logs is on its `lines`. */
  get child(): Child {
    if (this.#child === undefined) throw new Error('the agent was never started');
    return this.#child;
  }

  /** `under`: a program that starts the agent, with its arguments, such as strace. */
  start(under: readonly string[] = []): void {
    if (this.running) throw new Error('the agent already runs');
    const [command = '', ...before] = [...under, ...this.#options.program];
    const args = [...before, 'run', '--config', this.#options.config];
    const { env } = this.#options;
    this.#child = new Child(env === undefined ? { command, args } : { command, args, env });
    this.#lives += 1;
  }

  /** Does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  async kill9(): Promise<Ended | undefined> {
    return this.#child?.kill9();
  }

  /** SIGTERM: the agent drains and ends by itself; after the patience SIGKILL. */
  async term(patienceMs: number = STOP_PATIENCE_MS): Promise<Ended | undefined> {
    return this.#child?.stop(patienceMs);
  }
}

/** This very program, for a process that starts itself again as the agent. */
export function ownProgram(): readonly [string, ...string[]] {
  const [, main] = process.argv;
  if (main === undefined) throw new Error('started without a program file');
  return [process.execPath, ...process.execArgv, main];
}
