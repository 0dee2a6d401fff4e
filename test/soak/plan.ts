/** When what goes wrong in a soak. The same seed gives the same plan; a short run has one of each all the same. */
import type { Random } from '../../src/workbench/random.ts';

/**
 * How often each comes, seconds. A link that holds for less than 30 s counts as a failure and the agent's back-off grows,
 * by design: cut more often, the agent would be offline for most of the soak. Nor may the broker go more often: a Mosquitto
 * that ends says nothing, which from the fourth time in an hour on looks like another client of our identity, and is met with
 * waits of up to two minutes.
 */
const PERIOD_S = { cut: 45, replug: 30, unplug: 45, broker: 600 } as const;
export type FaultName = keyof typeof PERIOD_S;
export const FAULTS = Object.keys(PERIOD_S) as readonly FaultName[];

export interface PlannedFault {
  readonly name: FaultName;
  /** From the begin of the soak. */
  readonly atMs: number;
}

export function planSoak(random: Random, minutes: number): PlannedFault[] {
  const wholeMs = minutes * 60_000;
  return FAULTS.flatMap((name) => {
    // Half of the run at most, so that the last one still comes well before the end.
    const periodMs = Math.min(PERIOD_S[name] * 1000, wholeMs / 2);
    const times = Math.floor(wholeMs / periodMs);
    return Array.from({ length: times }, (_, at) => ({ name, atMs: (at + random.between(0.2, 0.9)) * periodMs }));
  }).sort((a, b) => a.atMs - b.atMs);
}
