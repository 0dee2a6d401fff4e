/**
 * The pump is on a pseudo-terminal and repeats each sale until it is answered; the agent is killed at each read of that tty,
 * each write to the disk and each write of an answer, one after the other: every step between the byte and the answer. A
 * sale that the pump has an answer for must be at the consumer, once.
 */
import { spawnSync } from 'node:child_process';
import { killThrough } from '../kill-at.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';

export const ANSWER_ROW: Row = {
  name: 'answer',
  title: 'pump on a tty, agent SIGKILL at each read, disk write and answer; receipts',
  share: 0.04,
  brokerKeeps: true,
  run: (context) => {
    if (spawnSync('strace', ['-V']).status !== 0) return Promise.resolve({ skipped: 'strace is not there' });
    const options = { receipts: true, tty: true, env: { UV_THREADPOOL_SIZE: '1' } };
    return onScene(context, options, (scene) => {
      const { line } = scene.players;
      if (!('path' in line)) throw new Error('the pump is not on a tty');
      const { path } = line;
      const places = (['start', 'work'] as const).flatMap((from) => [
        { calls: 'read', path, from, nth: 1 },
        { calls: 'pwrite64', from, nth: 1 },
        { calls: 'write', path, from, nth: 1 },
      ]);
      return killThrough(scene, context, places);
    });
  },
};
