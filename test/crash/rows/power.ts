/**
 * Power cuts of a real file system: ledger and state lie on an ext4 that is shut down without a flush of its journal while
 * the agent works, then mounted again. What had not been synced is gone, as far as ext4 goes.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Undo } from '../../../src/workbench/undo.ts';
import { loopDisk } from '../disk.ts';
import { onScene } from '../on-scene.ts';
import type { Row } from '../row.ts';

const LIFE_MS = { low: 200, high: 900 };
const DISK_MIB = 96;

export const POWER_ROW: Row = {
  name: 'power',
  title: 'power cut of an ext4 under ledger and state; receipts',
  share: 0.02,
  brokerKeeps: true,
  run: async (context) => {
    const undo = new Undo();
    try {
      const disk = await loopDisk(undo, DISK_MIB);
      if (typeof disk === 'string') return { skipped: disk };
      return await onScene(context, { receipts: true, disk: disk.path }, async (scene) => {
        const { agent, random, pump } = scene.players;
        for (let run = 1; run <= context.runs; run += 1) {
          await scene.startAgent();
          await pause(random.between(LIFE_MS.low, LIFE_MS.high));
          await disk.cutPower();
          await agent.kill9();
          await disk.powerUp();
          context.progress(run, pump.accepted.length);
        }
        agent.start();
        return { faults: context.runs, counts: { cuts: context.runs } };
      });
    } finally {
      await undo.run();
    }
  },
};
