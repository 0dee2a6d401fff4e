/**
 * A fleet that loses its broker at one moment, in virtual time: the product's own retry plan, with a broker that refuses
 * until it is back and then takes everybody. Pure; a seed says what chance gives each device.
 */
import { NO_FAILURES, planRetry } from '../../src/broker/retry.ts';
import { seededRandom } from '../../src/workbench/random.ts';

export interface FleetOptions {
  readonly agents: number;
  readonly outageMs: number;
  readonly seed: number;
  /** False: every wait is as long as it may be, as without jitter. */
  readonly jitter: boolean;
}

/** Milliseconds since the broker was lost. */
export interface FleetTimes {
  /** Of every attempt. */
  readonly attempts: readonly number[];
  /** Of each device's first attempt that finds the broker. */
  readonly ups: readonly number[];
}

export function modelFleet({ agents, outageMs, seed, jitter }: FleetOptions): FleetTimes {
  const random = seededRandom(seed);
  const attempts: number[] = [];
  const ups: number[] = [];
  for (let agent = 0; agent < agents; agent += 1) {
    let history = NO_FAILURES;
    let nowMs = 0;
    for (let end = 'network.lost' as 'network.lost' | 'network.refused'; ; end = 'network.refused') {
      const plan = planRetry(history, { word: end, text: '' }, end === 'network.lost' ? 3_600_000 : 0, 1);
      ({ history } = plan);
      nowMs += plan.floorMs + (jitter ? random.unit() : 1) * (plan.ceilingMs - plan.floorMs);
      attempts.push(nowMs);
      if (nowMs >= outageMs) break;
    }
    ups.push(nowMs);
  }
  return { attempts, ups };
}

/** The most of these times that lie within any window of this length. */
export function mostWithin(times: readonly number[], windowMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  let from = 0;
  for (const [at, time] of sorted.entries()) {
    while (time - (sorted[from] as number) >= windowMs) from += 1;
    most = Math.max(most, at - from + 1);
  }
  return most;
}

/** The time by which this part of them has come. */
export function quantile(times: readonly number[], part: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
