/**
 * What the schedule may run only now and then: commands that take the agent, its configuration or its connection away, for
 * good or for a while. A schedule that runs one of them as soon as it can would leave nobody the time to change that schedule
 * by command, so each has five minutes of rest before it: from the agent's start on, and from its own last run.
 */
const REST_MS = 300_000;
const HELD_BACK: readonly string[] = [
  'agent.restart',
  'config.set',
  'config.rollback',
  'config.cancel',
  'certificate.install',
];

export class ScheduleRest {
  #startedMs = Number.POSITIVE_INFINITY;
  readonly #ranMs = new Map<string, number>();

  /** Times are those of the clock that never jumps. Before it nothing is run that is held back. */
  start(nowMs: number): void {
    this.#startedMs = nowMs;
  }

  /** Why it is not run now; undefined: it may be. */
  refusal(command: string, nowMs: number): string | undefined {
    if (!HELD_BACK.includes(command)) return undefined;
    const sinceMs = this.#ranMs.get(command) ?? this.#startedMs;
    if (nowMs - sinceMs >= REST_MS) return undefined;
    return `the schedule runs ${command} once in five minutes at most, and not in the agent's first five`;
  }

  ran(command: string, nowMs: number): void {
    if (HELD_BACK.includes(command)) this.#ranMs.set(command, nowMs);
  }
}
