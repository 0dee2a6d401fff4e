/** The hands that break things during the demo at random moments: one kills the agent, one the broker, one cuts the link. */
import { setTimeout as pause } from 'node:timers/promises';
import { endText } from '../workbench/child.ts';
import type { Random } from '../workbench/random.ts';
import type { Tally } from './tally.ts';

const KILL_MS = { low: 2000, high: 5000 };
const BROKER_MS = { low: 4000, high: 9000 };
const CUT_MS = { low: 2000, high: 4000 };

/** Kills and starts the agent until `stop`. Throws when the agent ends by itself: that is a finding, not a fault. */
export async function killAtRandom(tally: Tally, random: Random, stop: AbortSignal): Promise<void> {
  const { agent } = tally.players;
  for (;;) {
    const { child } = agent;
    const spared = pauseUnless(random.between(KILL_MS.low, KILL_MS.high), stop);
    await Promise.race([spared, child.exited]);
    if (child.ended !== undefined) {
      throw new Error(`the agent ended by itself (${endText(child.ended)}): ${child.lastWords()}`);
    }
    if (stop.aborted) return;
    const { pid } = child;
    await agent.kill9();
    agent.start();
    tally.killed(performance.now(), pid);
  }
}

/** Kills and starts the broker until `stop`. */
export async function killBrokerAtRandom(
  tally: Tally,
  kill: () => Promise<void>,
  random: Random,
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    await pauseUnless(random.between(BROKER_MS.low, BROKER_MS.high), stop);
    if (stop.aborted) return;
    await kill();
    tally.brokerKilled(performance.now());
  }
}

export async function cutAtRandom(tally: Tally, random: Random, stop: AbortSignal): Promise<void> {
  for (;;) {
    await pauseUnless(random.between(CUT_MS.low, CUT_MS.high), stop);
    if (stop.aborted) return;
    tally.cut(performance.now(), tally.players.link.cut());
  }
}

/** Ends early, without a complaint, when `stop` comes. */
export async function pauseUnless(ms: number, stop: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal: stop }).catch(() => undefined);
}
