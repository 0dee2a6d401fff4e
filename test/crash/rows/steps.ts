/**
 * The agent is killed at its Nth system call of one kind, for growing N: each write to the disk, each sync, each change of
 * a name, each write to a socket; counted from the start of the process, and from a moment at which it is at work. strace
 * plants the SIGKILL in the call itself, so that the moments between two steps are hit one after the other and not by
 * chance. One pool thread, so that counting is the same in each life.
 */
import { spawnSync } from 'node:child_process';
import { Child } from '../../../src/workbench/child.ts';
import { until, WaitedInVain } from '../../../src/workbench/wait.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';
import { endAgent, type Scene } from '../scene.ts';

const CALLS = ['pwrite64', 'write,writev', 'fsync', 'fdatasync', 'rename', 'unlink'];

interface Place {
  readonly calls: string;
  readonly from: 'start' | 'work';
  nth: number;
}

/** A life that has not come to its Nth call by then does not come to it. */
const LIFE_MS = 3000;
const ATTACH_MS = 10_000;

export const STEPS_ROW: Row = {
  name: 'steps',
  title: 'agent SIGKILL at each write, sync and rename; receipts',
  share: 0.06,
  brokerKeeps: true,
  run: (context) => {
    if (spawnSync('strace', ['-V']).status !== 0) return Promise.resolve({ skipped: 'strace is not there' });
    return onScene(context, { receipts: true, env: { UV_THREADPOOL_SIZE: '1' } }, async (scene) => {
      const { agent, pump } = scene.players;
      let places: Place[] = CALLS.flatMap((calls) => [
        { calls, from: 'start', nth: 1 },
        { calls, from: 'work', nth: 1 },
      ]);
      const counts: Record<string, number> = { kills: 0 };
      for (let run = 0; run < context.runs && places.length > 0; run += 1) {
        const place = places.shift() as Place;
        if (await killAt(scene, place)) {
          counts['kills'] = (counts['kills'] ?? 0) + 1;
          counts[`${place.calls} from ${place.from}`] = place.nth;
          // By one at first, later by an eighth.
          places = [...places, { ...place, nth: place.nth + 1 + (place.nth >> 3) }];
        }
        context.progress(run + 1, pump.accepted.length);
      }
      agent.start();
      return { faults: counts['kills'] ?? 0, counts };
    });
  },
};

/** One life. False: it never came to that call; then it is ended all the same. */
async function killAt(scene: Scene, { calls, from, nth }: Place): Promise<boolean> {
  const { agent } = scene.players;
  // Not --seccomp-bpf: with it strace 6.1 counts only to one.
  const options = `-f -o /dev/null -e trace=${calls} -e signal=none -e inject=${calls}:signal=SIGKILL:when=${nth}`;
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
