/**
 * The ledger's directory while the agent is stopped: gone, read-only, or an old copy put in its place. What had arrived
 * stays arrived; the agent goes on in an epoch that the consumer can tell from the old one; and what is sold before the
 * old copy is noticed has numbers that the consumer knows as other events, and is kept apart.
 */
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Undo } from '../../../src/workbench/undo.ts';
import { until, within } from '../../../src/workbench/wait.ts';
import { smallDisk } from '../disk.ts';
import { onScene } from '../on-scene.ts';
import { type Row, type RowResult, sumOf } from '../row.ts';
import type { Scene } from '../scene.ts';

const DEADLINE_MS = 30_000;
/** A start on a disk that can not be written ends by itself within this, or the agent runs and refuses. */
const END_MS = 3000;

export const LEDGER_GONE_ROW: Row = {
  name: 'ledger-gone',
  title: 'ledger directory gone, or an old copy in its place; receipts',
  share: 0.01,
  brokerKeeps: false,
  run: async (context) => {
    const results: RowResult[] = [];
    const counts: Record<string, number> = { copies: 0, gone: 0, forks: 0 };
    for (let round = 0; round < context.runs; round += 1) {
      const kind = round % 3 === 2 ? 'gone' : 'copies';
      const seed = context.seed + round;
      results.push(
        await onScene({ ...context, seed }, { receipts: true, forksApart: true }, (scene) => lose(scene, kind)),
      );
      counts[kind] = (counts[kind] ?? 0) + 1;
      const { bill } = results.at(-1) as RowResult;
      counts['forks'] = (counts['forks'] ?? 0) + bill.forks;
      context.progress(round + 1, bill.accepted);
    }
    const stuck = results.find((result) => result.stuck !== undefined)?.stuck;
    const blind =
      counts['copies'] !== 0 && counts['forks'] === 0 ? 'no fork was made: the row shows nothing' : undefined;
    return { faults: context.runs, counts, bill: sumOf(results.map(({ bill }) => bill)), stuck: stuck ?? blind };
  },
};

async function lose(scene: Scene, kind: 'copies' | 'gone'): Promise<{ readonly faults: number }> {
  const { agent, disk, directory, consumer, pump } = scene.players;
  const ledger = join(disk, 'ledger');
  const copy = join(directory, 'copy');
  await scene.startAgent();
  await scene.accepted(40);
  await agent.term();
  await cp(ledger, copy, { recursive: true });
  await scene.startAgent();
  await scene.accepted(40);
  // All of it arrives, and the receipt says so, before the disk is lost: what never left it would be gone with it.
  const stuck = await scene.drain();
  if (stuck !== undefined) throw new Error(stuck);
  await agent.term();
  await rm(ledger, { recursive: true });
  if (kind === 'gone') await mkdir(ledger);
  else await cp(copy, ledger, { recursive: true });
  const { receipts } = consumer;
  for (let n = 0; n < 5; n += 1) pump.sell(performance.now());
  await scene.startAgent();
  scene.startSelling();
  await scene.accepted(40);
  await until(() => consumer.receipts > receipts, 'a receipt for what came after', DEADLINE_MS);
  return { faults: 1 };
}

export const READ_ONLY_ROW: Row = {
  name: 'ledger-read-only',
  title: 'ledger on a disk that is read-only at a start',
  share: 0.005,
  brokerKeeps: true,
  run: async (context) => {
    let why: string | undefined;
    let ended = 0;
    const results: RowResult[] = [];
    for (let round = 0; round < context.runs && why === undefined; round += 1) {
      const seed = context.seed + round;
      const undo = new Undo();
      try {
        const disk = await smallDisk(undo, '64m');
        if (typeof disk === 'string') {
          why = disk;
          break;
        }
        const act = async (scene: Scene): Promise<{ readonly faults: number }> => {
          const { agent } = scene.players;
          await scene.startAgent();
          await scene.accepted(30);
          await agent.kill9();
          await disk.remount('ro');
          agent.start();
          if (await within(agent.child.exited, END_MS)) ended += 1;
          else await agent.kill9();
          await disk.remount('rw');
          await scene.startAgent();
          await scene.accepted(30);
          return { faults: 1 };
        };
        results.push(await onScene({ ...context, seed }, { disk: disk.path }, act));
      } finally {
        await undo.run();
      }
    }
    if (why !== undefined) return { skipped: why };
    const stuck = results.find((result) => result.stuck !== undefined)?.stuck;
    return { faults: results.length, counts: { ended }, bill: sumOf(results.map(({ bill }) => bill)), stuck };
  },
};
