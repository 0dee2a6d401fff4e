/**
 * The opening of a read-out by IEC 62056-21, 6.3: at 300 Bd the meter is asked, names itself and its speed, and, in mode C,
 * is told at which speed to go on. The data block that follows is a frame like any other.
 *
 *   agent  / ? ! CR LF
 *   meter  / X X X Z identification CR LF        Z: 0 to 6 mode C, A to I mode B, else mode A
 *   agent  ACK 0 Z 0 CR LF                       mode C only; then both change to the speed of Z
 */
import type { Talk } from './talk.ts';

const MODE_C_RATES = [300, 600, 1200, 2400, 4800, 9600, 19_200];
const MODE_B_RATES = [600, 1200, 2400, 4800, 9600, 19_200];
/** 6.3.14: the meter answers within 1.5 s; at 300 Bd its identification line takes up to 0.8 s more. */
const ANSWER_MS = 3000;
/** 6.3.14: the reaction time of either side is at least 200 ms. */
const REACTION_MS = 300;

/** Puts the line at `baudRate`, asks, and leaves the line at the speed of the data block. Rejects when there is no meter. */
export async function openReadOut(talk: Talk, request: Buffer, baudRate: number, baudRateMax: number): Promise<void> {
  await talk.setBaudRate(baudRate);
  await talk.write(request);
  const line = await talk.expect(identification, ANSWER_MS, 'identification of the meter');
  const plan = planReadOut(line.toString('latin1'), baudRateMax);
  if (plan === undefined) return;
  if (plan.acknowledge !== undefined) {
    await talk.wait(REACTION_MS);
    await talk.write(plan.acknowledge);
  }
  await talk.setBaudRate(plan.baudRate);
}

export interface ReadOutPlan {
  readonly acknowledge: Buffer | undefined;
  readonly baudRate: number;
}

/** What follows from the identification line; undefined: mode A, which goes on as it is. */
export function planReadOut(line: string, baudRateMax: number): ReadOutPlan | undefined {
  const mark = /\/[A-Za-z]{3}([0-6A-I])[^/]*$/.exec(line)?.[1];
  if (mark === undefined) return undefined;
  const byLetter = MODE_B_RATES[mark.charCodeAt(0) - 0x41];
  if (byLetter !== undefined) return { acknowledge: undefined, baudRate: byLetter };
  const offered = Number(mark);
  if (!Number.isInteger(offered)) return undefined;
  const allowed = MODE_C_RATES.findLastIndex((rate, at) => at <= offered && rate <= baudRateMax);
  const chosen = Math.max(0, allowed);
  return { acknowledge: Buffer.from(`\x060${chosen}0\r\n`, 'latin1'), baudRate: MODE_C_RATES[chosen] ?? 300 };
}

/** An optical head may give our own request back first: that one has a question mark. */
function identification(held: Buffer): number | undefined {
  const found = /\/[^?\r\n][^\r\n]*\r?\n/.exec(held.toString('latin1'));
  return found === null ? undefined : found.index + found[0].length;
}
