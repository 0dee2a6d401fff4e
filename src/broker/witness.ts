/**
 * Whether the broker's session is still the one that this device made. "Session present" only says that there is one for
 * the client identifier: another client with our identity may have thrown ours away and made its own, and packets of its
 * own may lie in it under identifiers that are ours. So some subscriptions that nobody else would make lie in each of our
 * sessions as witnesses; UNSUBACK tells whether one was there (MQTT 5, 3.11.3). Mosquitto before 2.0.15 and NanoMQ throw
 * a client out without a word (mosquitto #2340, nanomq #1927), so this is also how a takeover is noticed there.
 *
 * Asking takes a witness away; a crash or a cut before it is put back leaves the others. With two of them 430 kills and
 * cuts found the moment twice in a row, which took our own session for another's; with eight it takes eight in a row. Each
 * step errs to "not ours", which costs repeats with the same identity, never a loss.
 */
import type { Link } from '../ports-broker.ts';

/** `unknown`: the broker can not tell. */
export type SessionVerdict = 'ours' | 'foreign' | 'unknown';

/** Topic filters of the witnesses; below `down/`, which the device may read. */
export interface Witnesses {
  readonly filters: readonly string[];
  /** Says nothing of the session: only whether the broker tells the truth. */
  readonly probe: string;
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

export function witnessesOf(root: string, epoch: string, generation: number): Witnesses {
  const start = `${root}/down/session/${epoch}-${generation}`;
  return { filters: NAMES.map((name) => `${start}/${name}`), probe: `${start}/probe` };
}

/** In a session that was made just now, before any event is sent in it. Rejects when the link ends or the broker refuses. */
export async function plantWitnesses(link: Link, { filters }: Witnesses): Promise<void> {
  await Promise.all(filters.map((filter) => link.subscribe(filter, 0)));
}

/** In a session that is said to be present, before any event is sent in it. Rejects as `plantWitnesses` does. */
export async function judgeSession(link: Link, witnesses: Witnesses): Promise<SessionVerdict> {
  const asked: string[] = [];
  for (const filter of witnesses.filters) {
    const there = await link.unsubscribe(filter);
    if (there === undefined) return 'unknown';
    asked.push(filter);
    if (!there) continue;
    await Promise.all(asked.map((gone) => link.subscribe(gone, 0)));
    return 'ours';
  }
  // Believed only of a broker that says so truly: one that always answers "there was none" can not be a judge.
  await link.subscribe(witnesses.probe, 0);
  return (await link.unsubscribe(witnesses.probe)) ? 'foreign' : 'unknown';
}
