/**
 * What a device can see for itself of a configuration on trial: the lines of the sensors that it changes open. One that does
 * not within the time ends the trial; a device that is silent on an open line does not.
 */
import type { Clock } from '../ports.ts';

/** Longer than a TCP serial server may take, and than a tty needs to come back after the old agent let go of it. */
const WITHIN_MS = 10_000;
const LOOK_MS = 100;

/** As a sensor tells of itself. */
export interface SensorFact {
  readonly id: string;
  readonly state: string;
  readonly why: string;
}

/** Resolves with what is wrong, or undefined when all of the sensors' lines have been open. */
export async function checkLines(
  ids: readonly string[],
  facts: () => readonly SensorFact[],
  clock: Clock,
): Promise<string | undefined> {
  const missing = new Set(ids);
  const untilMs = clock.monotonicMs() + WITHIN_MS;
  for (;;) {
    const absent = facts().filter(({ id, state }) => missing.has(id) && state === 'absent');
    for (const { id, state } of facts()) if (state !== 'absent') missing.delete(id);
    if (missing.size === 0) return undefined;
    if (clock.monotonicMs() >= untilMs) {
      const why = absent.map(({ id, why: reason }) => `sensor ${id}: ${reason}`);
      return why.length > 0 ? why.join('; ') : `sensor ${[...missing].join(', ')}: not there`;
    }
    await new Promise<void>((resolve) => {
      clock.after(LOOK_MS, resolve);
    });
  }
}
