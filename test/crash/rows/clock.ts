/**
 * The wall clock jumps by years, forward and back, while events flow and across kills. Only the wall clock: what waits uses
 * the monotonic one, which libfaketime leaves alone here.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeTemporaryDirectory } from '../../../src/workbench/temp.ts';
import { Undo } from '../../../src/workbench/undo.ts';
import { listAll } from '../../ledger/sample.ts';
import { fakeTime, NO_FAKE_TIME } from '../../rig/fake-time.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';

const LIFE_MS = { low: 150, high: 500 };
const YEARS = 20;
const YEAR_MS = 365.25 * 86_400_000;

export const CLOCK_ROW: Row = {
  name: 'clock',
  title: 'wall clock jumps by up to 20 years both ways, agent SIGKILL; receipts',
  share: 0.02,
  brokerKeeps: true,
  run: async (context) => {
    const undo = new Undo();
    try {
      const directory = await makeTemporaryDirectory('clock');
      undo.add(directory.remove);
      const clock = await fakeTime(join(directory.path, 'time'));
      if (clock === undefined) return { skipped: NO_FAKE_TIME };
      const { env } = clock;
      return await onScene(context, { receipts: true, env }, async (scene) => {
        const { agent, pump, random } = scene.players;
        await scene.startAgent();
        let kills = 0;
        for (let run = 1; run <= context.runs; run += 1) {
          const years = random.whole(-YEARS, YEARS);
          await clock.set(Date.now() + years * YEAR_MS);
          await scene.accepted(5);
          await pause(random.between(LIFE_MS.low, LIFE_MS.high));
          scene.mustLive();
          if (run % 3 === 0) {
            kills += 1;
            await agent.kill9();
            await scene.startAgent();
          }
          context.progress(run, pump.accepted.length);
        }
        const events = await listAll(join(scene.players.disk, 'ledger'));
        const years = new Set(
          events.map(({ payload }) => (JSON.parse(payload.toString()) as { time: string }).time.slice(0, 4)),
        );
        return { faults: context.runs, counts: { jumps: context.runs, kills, years: years.size } };
      });
    } finally {
      await undo.run();
    }
  },
};
