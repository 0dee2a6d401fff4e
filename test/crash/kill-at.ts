/** SIGKILL of the agent in its Nth system call of one kind, planted by strace. */
import { Child } from '../../src/workbench/child.ts';
import { until, WaitedInVain } from '../../src/workbench/wait.ts';
import type { Acted, RowContext } from './row.ts';
import { endAgent, type Scene } from './scene.ts';

export interface Place {
  /** Names as strace takes them: `write,writev`. */
  readonly calls: string;
  /** Only calls on this file. */
  readonly path?: string;
  /** Counted from the start of the process, or from a moment at which it is at work. */
  readonly from: 'start' | 'work';
  readonly nth: number;
}

/** A life that has not come to its Nth call by then does not come to it. */
const LIFE_MS = 3000;
const ATTACH_MS = 10_000;

/** One place after the other, each time one call further on, until the faults of the row are used up. */
export async function killThrough(scene: Scene, context: RowContext, from: readonly Place[]): Promise<Acted> {
  const { agent, pump } = scene.players;
  const places = [...from];
  const counts: Record<string, number> = { kills: 0 };
  for (let run = 0; run < context.runs && places.length > 0; run += 1) {
    const place = places.shift() as Place;
    if (await killAt(scene, place)) {
      counts['kills'] = (counts['kills'] ?? 0) + 1;
      counts[`${place.calls} from ${place.from}`] = place.nth;
      // By one at first, later by an eighth.
      places.push({ ...place, nth: place.nth + 1 + (place.nth >> 3) });
    }
    context.progress(run + 1, pump.accepted.length);
  }
  agent.start();
  return { faults: counts['kills'] ?? 0, counts };
}

/** One life. False: it never came to that call; then it is ended all the same. */
async function killAt(scene: Scene, { calls, path, from, nth }: Place): Promise<boolean> {
  const { agent } = scene.players;
  // Not --seccomp-bpf: with it strace 6.1 counts only to one.
  const only = path === undefined ? '' : `-P ${path} `;
  const options = `${only}-f -o /dev/null -e trace=${calls} -e signal=none -e inject=${calls}:signal=SIGKILL:when=${nth}`;
  let tracer: Child | undefined;
  if (from === 'start') agent.start(['strace', ...options.split(' ')]);
  else {
    await scene.startAgent();
    await scene.accepted(3);
    tracer = new Child({ command: 'strace', args: [...options.split(' '), '-p', String(agent.child.pid)] });
    await until(
      () => tracer?.lines.some((line) => line.includes('attached')) === true || agent.child.ended !== undefined,
      'strace to attach',
      ATTACH_MS,
    );
  }
  try {
    const { signal } = await until(() => agent.child.ended, 'the kill', LIFE_MS);
    if (signal !== 'SIGKILL') scene.mustLive();
    return true;
  } catch (error) {
    if (error instanceof WaitedInVain) return false;
    throw error;
  } finally {
    await endAgent(agent);
    await tracer?.stop(LIFE_MS);
  }
}
