/**
 * Power cuts in the model of test/ledger/power-cut.ts, on the system calls of a whole agent at work: what it had answered to
 * the meter by the moment of the cut must be in the ledger that such a disk may hold, and each small document must be
 * readable. The control is a disk that takes a sync for nothing.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bill } from '../../../src/demo/audit.ts';
import { stateStore } from '../../../src/platform/state-store.ts';
import { seededRandom } from '../../../src/workbench/random.ts';
import { makeTemporaryDirectory } from '../../../src/workbench/temp.ts';
import { Undo } from '../../../src/workbench/undo.ts';
import { cutAfter, type DiskImage } from '../../ledger/power-cut.ts';
import { openLedger, quietLog } from '../../ledger/rig.ts';
import { listAll } from '../../ledger/sample.ts';
import { parseStraceLog, STRACE_OPTIONS, type Syscall } from '../../ledger/strace-log.ts';
import { onScene } from '../on-scene.ts';
import type { Row, RowContext, RowResult, Skipped } from '../row.ts';
import { endAgent } from '../scene.ts';

const SALES = 250;
const SEGMENT_BYTES = 64 * 1024;
const DEADLINE_MS = 30_000;

/** `honest`: false, the disk takes syncs and synced writes for nothing. */
export async function powerModel(context: RowContext, honest: boolean): Promise<RowResult | Skipped> {
  if (spawnSync('strace', ['-V']).status !== 0) return { skipped: 'strace is not there' };
  const undo = new Undo();
  try {
    const directory = await makeTemporaryDirectory('power');
    undo.add(directory.remove);
    const calls = await trace(context, join(directory.path, 'log'));
    const random = seededRandom(context.seed);
    const counts = { cuts: 0, calls: calls.length };
    let [accepted, lost, wrong] = [0, 0, 0];
    for (; counts.cuts < context.runs; counts.cuts += 1) {
      const count = random.whole(Math.floor(calls.length / 10), calls.length);
      const at = join(directory.path, 'after');
      const image = cutAfter(calls, count, {
        chance: () => random.unit(),
        ...(honest ? {} : { ignoreSync: true, ignoreDurable: true }),
      });
      const loss = await lossOf(image, at);
      accepted += loss.accepted;
      lost += loss.lost;
      wrong += loss.unreadable;
    }
    const bill: Bill = { ...NOTHING, sales: accepted, accepted, received: accepted - lost, lost, wrong };
    return { faults: counts.cuts, counts, bill, stuck: undefined };
  } finally {
    await undo.run();
  }
}

const NOTHING = {
  duplicates: 0,
  unknown: 0,
  repeats: 0,
  askedRepeats: 0,
  forks: 0,
  orderBreaks: 0,
  gaps: 0,
  findings: [],
};

/** The calls of an agent that takes and hands over sales. */
async function trace(context: RowContext, log: string): Promise<readonly Syscall[]> {
  let calls: readonly Syscall[] = [];
  await onScene(context, { receipts: true, ledger: { segmentBytes: '64KiB' } }, async (scene) => {
    const { agent, disk } = scene.players;
    await scene.startAgent(['strace', ...STRACE_OPTIONS, '-o', log]);
    await scene.accepted(SALES, DEADLINE_MS);
    await endAgent(agent);
    calls = parseStraceLog(await readFile(log, 'utf8'), disk, /^ACK /);
    agent.start();
    return { faults: 0 };
  });
  return calls;
}

interface Loss {
  readonly accepted: number;
  readonly lost: number;
  /** Small documents that were there and of which no copy can be read. */
  readonly unreadable: number;
}

async function lossOf({ files, said }: DiskImage, directory: string): Promise<Loss> {
  await rm(directory, { recursive: true, force: true });
  const ledgerDirectory = join(directory, 'ledger');
  await mkdir(join(directory, 'ledger/quarantine'), { recursive: true });
  for (const [name, bytes] of files) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
  const answered = new Set([...said.matchAll(/ACK \S+ (\d+)\n/g)].map(([, seq]) => seq));
  const ledger = await openLedger(ledgerDirectory, { segmentBytes: SEGMENT_BYTES, receipts: true });
  await ledger.close();
  for (const { payload } of await listAll(ledgerDirectory)) {
    answered.delete((JSON.parse(payload.toString()) as { source?: { seq: string } }).source?.seq);
  }
  const accepted = [...said.matchAll(/^ACK /gm)].length;
  return { accepted, lost: answered.size, unreadable: await unreadable(files, join(directory, 'state')) };
}

async function unreadable(files: DiskImage['files'], directory: string): Promise<number> {
  const store = stateStore(directory, quietLog());
  const known = (found: unknown): object | undefined =>
    typeof found === 'object' && found !== null ? found : undefined;
  const nothing = {};
  let count = 0;
  for (const path of files.keys()) {
    const name = /^state\/([a-z]+)\.json$/.exec(path)?.[1];
    // status.json is for people: made anew at each start, and not a document that is read.
    if (name === undefined || name === 'status') continue;
    if ((await store.open(name, known, nothing)).value === nothing) count += 1;
  }
  return count;
}

export const POWER_MODEL_ROW: Row = {
  name: 'power-model',
  title: 'power cut at any system call of a run, in a model of the disk; receipts',
  share: 0.03,
  brokerKeeps: true,
  run: (context) => powerModel(context, true),
};
