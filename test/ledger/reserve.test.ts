/** The reserve, and what a kill or a full disk leaves of a file of zeros that was not finished. */
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LedgerFiles } from '../../src/ledger/files.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { until } from '../rig/wait.ts';
import { openLedger, quietLog, sale, temporaryDirectory } from './rig.ts';
import { verifyDirectory } from './sample.ts';

const DEADLINE_MS = 20_000;
const quick = { ...systemClock, after: (ms: number, run: () => void) => systemClock.after(ms / 20, run) };

function session(generation: number): Parameters<Ledger['markSession']>[0] {
  return { generation, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' };
}

/** Real files on a disk that has `world.free` bytes for files of zeros; what does not fit is left half made. */
function smallDisk(directory: string, world: { free: number; unfinished: number }): LedgerFiles {
  const real = ledgerFiles(directory);
  return {
    ...real,
    freeBytes: () => Promise.resolve(world.free),
    makeZeroed: async (name, bytes) => {
      if (bytes <= world.free) return real.makeZeroed(name, bytes);
      world.unfinished += 1;
      await real.makeZeroed(name, world.free & ~0xffff);
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    },
  };
}

const sizeIn = (directory: string, name: string): Promise<number> =>
  stat(join(directory, name)).then(
    ({ size }) => size,
    () => 0,
  );

test('a reserve that a kill left half made never becomes a segment, and goes where no whole one can be made', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLedger(directory);
  await first.append(sale(1));
  await first.markSession(session(1));
  await first.close();
  await writeFile(join(directory, 'reserve'), Buffer.alloc(5 * 64 * 1024));
  const files = smallDisk(directory, { free: 300 * 1024, unfinished: 0 });
  const ledger = await openLedger(directory, { files, clock: quick });
  await until(async () => (await sizeIn(directory, 'reserve')) === 0, 'the half made file to go', DEADLINE_MS);
  let last = 1;
  for (let generation = 2; generation < 1500 && last === generation - 1; generation += 1) {
    await ledger.markSession(session(generation)).then(
      () => (last = generation),
      (error: unknown) => assert.match(String(error), /ledger/),
    );
  }
  await ledger.close();
  const log: string[] = [];
  const again = await openLedger(directory, { log: quietLog(log) });
  assert.deepEqual(log, []);
  assert.equal(again.session?.phase, 'open');
  assert.equal(again.session?.generation, last);
  assert.equal(again.figures.last, 2);
  await again.close();
  assert.deepEqual((await verifyDirectory(directory)).problems, []);
});

test('a segment that must be larger than usual leaves nothing half made on a disk without room for it', async (t) => {
  const directory = await temporaryDirectory(t);
  const world = { free: 1024 ** 3, unfinished: 0 };
  const ledger = await openLedger(directory, { files: smallDisk(directory, world), clock: quick });
  await until(async () => (await sizeIn(directory, 'spare')) === 64 * 1024, 'the spare', DEADLINE_MS);
  world.free = 100 * 1024;
  // Larger than a segment, and one commit.
  const raw = Buffer.alloc(20_000, 7);
  const answers = await Promise.all([1, 2, 3, 4, 5].map((seq) => ledger.append({ ...sale(seq), raw })));
  assert.ok(answers.every((answer) => answer.kind === 'refused' && answer.code === 'ledger.disk'));
  assert.equal(world.unfinished, 0);
  assert.ok((await sizeIn(directory, 'spare')) <= 64 * 1024);
  world.free = 1024 ** 3;
  await until(async () => (await ledger.append(sale(9))).kind !== 'refused', 'accepting', DEADLINE_MS);
  await ledger.close();
});
