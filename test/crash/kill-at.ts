/** SIGKILL of the agent in its Nth system call of one kind, planted by strace. */
import { Child } from '../../src/workbench/child.ts';
import { until, WaitedInVain } from '../../src/workbench/wait.ts';
import { endAgent, type Scene } from './scene.ts';

export interface Place {
  /** Names as strace takes them: `write,writev`. */
  readonly calls: string;
  /** Only calls on this file. */
  readonly path?: string;
  /** Counted from the start of the process, or from a moment at which it is at work. */
  readonly from: 'start' | 'work';
  nth: number;
}

/** A life that has not come to its Nth call by then does not come to it. */
const LIFE_MS = 3000;
const ATTACH_MS = 10_000;

/** The same place, one call further on; by an eighth once that is more. */
export function further(place: Place): Place {
  return { ...place, nth: place.nth + 1 + (place.nth >> 3) };
}

/** One life. False: it never came to that call; then it is ended all the same. */
export async function killAt(scene: Scene, { calls, path, from, nth }: Place): Promise<boolean> {
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
