/**
 * The fault schedule of a crash run, made whole from its seed before anything starts: when the agent is killed, when its
 * link is cut, when the broker goes down. The same seed gives the same schedule; what the processes make of it differs.
 */
import type { Random } from '../../src/workbench/random.ts';

export type BrokerFaults = 'none' | 'term' | 'kill';

/**
 * One life of the agent. `from`: where its time starts. A third count from the start of the process, so that kills fall
 * into start-up and recovery too; the rest from its first connection, so that the machine's load does not turn every run
 * into a kill at start-up.
 */
export interface LifePlan {
  readonly from: 'start' | 'connection';
  readonly killAfterMs: number;
  /** Cuts of the link, in ms from the same moment; all before the kill. */
  readonly cutsAfterMs: readonly number[];
  /** The broker goes down at this moment of the life, and comes back at once. */
  readonly brokerAfterMs: number | undefined;
}

const LIFE_MS = { low: 150, high: 900 };
/** A cut for two lives of three, now and then two in one life. */
const CUTS = [0, 1, 1];
/** Every fourth life, as when this was first measured. */
const BROKER_EVERY = 4;

export function planLives(random: Random, runs: number, brokerFaults: BrokerFaults): LifePlan[] {
  return Array.from({ length: runs }, (_, at) => {
    const killAfterMs = Math.round(random.between(LIFE_MS.low, LIFE_MS.high));
    const moment = (): number => Math.round(random.between(0, killAfterMs));
    const cuts = (CUTS[random.whole(0, CUTS.length - 1)] ?? 0) + (random.unit() < 0.1 ? 1 : 0);
    const broker = moment();
    return {
      from: random.unit() < 1 / 3 ? 'start' : 'connection',
      killAfterMs,
      cutsAfterMs: Array.from({ length: cuts }, moment).sort((a, b) => a - b),
      brokerAfterMs: brokerFaults !== 'none' && at % BROKER_EVERY === BROKER_EVERY - 1 ? broker : undefined,
    };
  });
}
