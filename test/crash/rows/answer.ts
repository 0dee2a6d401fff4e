/**
 * The pump is on a pseudo-terminal and repeats each sale until it is answered; the agent is killed at each read of that tty,
 * each write to the disk and each write of an answer, one after the other: every step between the byte and the answer. A
 * sale that the pump has an answer for must be at the consumer, once.
 */
import { spawnSync } from 'node:child_process';
import { further, killAt, type Place } from '../kill-at.ts';
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
    return onScene(context, options, async (scene) => {
      const { agent, pump, line } = scene.players;
      if (!('path' in line)) throw new Error('the pump is not on a tty');
      let places: Place[] = (['start', 'work'] as const).flatMap((from) => [
        { calls: 'read', path: line.path, from, nth: 1 },
        { calls: 'pwrite64', from, nth: 1 },
        { calls: 'write', path: line.path, from, nth: 1 },
      ]);
      const counts: Record<string, number> = { kills: 0 };
      for (let run = 0; run < context.runs && places.length > 0; run += 1) {
        const place = places.shift() as Place;
        if (await killAt(scene, place)) {
          counts['kills'] = (counts['kills'] ?? 0) + 1;
          counts[`${place.calls} from ${place.from}`] = place.nth;
          places = [...places, further(place)];
        }
        context.progress(run + 1, pump.accepted.length);
      }
      agent.start();
      return { faults: counts['kills'] ?? 0, counts };
    });
  },
};
