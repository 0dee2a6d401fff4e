/**
 * The agent is killed at its Nth system call of one kind, for growing N: each write to the disk, each sync, each change of
 * a name, each write to a socket; counted from the start of the process, and from a moment at which it is at work. strace
 * plants the SIGKILL in the call itself, so that the moments between two steps are hit one after the other and not by
 * chance. One pool thread, so that counting is the same in each life.
 */
import { spawnSync } from 'node:child_process';
import { killThrough } from '../kill-at.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';

const CALLS = ['pwrite64', 'write,writev', 'fsync', 'fdatasync', 'rename', 'unlink'];

export const STEPS_ROW: Row = {
  name: 'steps',
  title: 'agent SIGKILL at each write, sync and rename; receipts',
  share: 0.06,
  brokerKeeps: true,
  run: (context) => {
    if (spawnSync('strace', ['-V']).status !== 0) return Promise.resolve({ skipped: 'strace is not there' });
    return onScene(context, { receipts: true, env: { UV_THREADPOOL_SIZE: '1' } }, (scene) => {
      const places = CALLS.flatMap((calls) => [
        { calls, from: 'start' as const, nth: 1 },
        { calls, from: 'work' as const, nth: 1 },
      ]);
      return killThrough(scene, context, places);
    });
  },
};
