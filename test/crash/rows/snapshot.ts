/**
 * The broker comes back from an old copy of its persistence file: the session is there, and what came after the copy is
 * forgotten, also what had been acknowledged. In every second round the consumer is offline meanwhile, so that nobody has
 * those events but the device. Now and then the agent is killed too.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { onScene } from '../on-scene.ts';
import type { Row, RowContext, RowResult } from '../row.ts';

const LIFE_MS = { low: 200, high: 600 };

/** Receipts off is the control of the row: then the same faults lose events. */
export function brokerSnapshot(context: RowContext, receipts: boolean, drainMs?: number): Promise<RowResult> {
  const options = { receipts, ...(drainMs === undefined ? {} : { drainMs }) };
  return onScene(context, options, async (scene) => {
    const { agent, mosquitto, consumerLink, random, pump, directory } = scene.players;
    const file = join(directory, 'mosquitto/data/mosquitto.db');
    const copy = join(directory, 'mosquitto.db.old');
    let kills = 0;
    await scene.startAgent();
    for (let round = 1; round <= context.runs; round += 1) {
      const offline = round % 2 === 0;
      await scene.accepted(10);
      await mosquitto.stop();
      await copyFile(file, copy);
      if (offline) {
        consumerLink.refuse();
        consumerLink.cut();
      }
      await mosquitto.start();
      await scene.accepted(5);
      await pause(random.between(LIFE_MS.low, LIFE_MS.high));
      if (round % 3 === 0) {
        kills += 1;
        await agent.kill9();
        agent.start();
      }
      await mosquitto.kill();
      await copyFile(copy, file);
      await mosquitto.start();
      if (offline) consumerLink.accept();
      context.progress(round, pump.accepted.length);
    }
    return { faults: context.runs, counts: { restored: context.runs, kills } };
  });
}

export const SNAPSHOT_ROW: Row = {
  name: 'broker-snapshot',
  title: 'broker restored from an old copy of its file; receipts',
  share: 0.03,
  brokerKeeps: false,
  run: (context) => brokerSnapshot(context, true),
};
