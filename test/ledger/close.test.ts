/** The lock goes last: nothing of a ledger that was closed touches the directory while the next one opens it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { LedgerFiles } from '../../src/ledger/files.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { until } from '../rig/wait.ts';
import { appendSales, openLedger, temporaryDirectory } from './rig.ts';

const DEADLINE_MS = 10_000;
const YEAR_MS = 365 * 86_400_000;
/** Looks of every minute come after 15 ms. */
const HASTE = 4000;

interface Scene {
  readonly ledger: Ledger;
  readonly world: { wallMs: number; isFull: boolean };
  /** What was done to the directory from the first removal on, in order. */
  readonly done: string[];
  /** Lets the first removal end. */
  readonly release: () => void;
}

/** Segments that are all settled, on a disk that takes its time to remove one. */
async function setScene(t: TestContext): Promise<Scene> {
  const directory = await temporaryDirectory(t);
  const real = ledgerFiles(directory);
  const world: Scene['world'] = { wallMs: Date.UTC(2026, 10, 24), isFull: false };
  const done: string[] = [];
  let making = 0;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const files: LedgerFiles = {
    ...real,
    makeZeroed: async (name, bytes) => {
      if (done.length > 0) done.push('makes a segment');
      if (world.isFull) throw new Error('ENOSPC');
      making += 1;
      await real.makeZeroed(name, bytes).finally(() => (making -= 1));
    },
    list: () => {
      if (done.length > 0) done.push('looks');
      return real.list();
    },
    remove: async (names) => {
      // What is left of a file that could not be made goes at once.
      if (!names.some((name) => name.endsWith('.seg'))) return real.remove(names);
      done.push('removes');
      await released;
      await real.remove(names);
      done.push('has removed');
    },
    unlock: async () => {
      done.push('unlocks');
      await real.unlock();
    },
  };
  const ledger = await openLedger(directory, {
    files,
    segmentBytes: 32 * 1024,
    clock: {
      ...systemClock,
      wallMs: () => world.wallMs,
      quality: () => 'synced',
      after: (ms, run) => systemClock.after(ms / HASTE, run),
    },
  });
  t.after(() => {
    release();
    return ledger.close();
  });
  await fill(ledger);
  const isReady = async (): Promise<boolean> =>
    (await real.list()).some(({ name }) => name === 'spare') && making === 0;
  await until(isReady, 'the next segment, prepared', DEADLINE_MS);
  return { ledger, world, done, release };
}

async function fill(ledger: Ledger): Promise<void> {
  const from = ledger.figures.last + 1;
  for (let round = 0; round < 4; round += 1) await appendSales(ledger, from + 60 * round, from + 60 * round + 59);
  for (let seq = from; seq <= ledger.figures.last; seq += 1) {
    ledger.release(1, seq);
    ledger.handOver(1, seq);
  }
  await until(() => ledger.figures.unsent === 0, 'all handed over', DEADLINE_MS);
}

const why = {
  'what is kept long enough': async ({ world }: Scene): Promise<void> => {
    world.wallMs += YEAR_MS;
    await Promise.resolve();
  },
  'what makes room on a full disk': async ({ world, ledger, done }: Scene): Promise<void> => {
    world.isFull = true;
    // One by one until the segment that was prepared is taken, and the next one can not be made.
    for (let count = 0; count < 500 && done.length === 0; count += 1) {
      const seq = ledger.figures.last + 1;
      const appended = appendSales(ledger, seq, seq);
      await until(() => done.length > 0 || ledger.figures.last === seq, 'an event more', DEADLINE_MS);
      appended.catch(() => undefined);
    }
  },
};

for (const [what, begin] of Object.entries(why)) {
  test(`a ledger that removes ${what} is closed when that is done, and does nothing after it`, async (t) => {
    const scene = await setScene(t);
    const { ledger, done, release } = scene;
    await begin(scene);
    await until(() => done.includes('removes'), 'a removal', DEADLINE_MS);
    const from = done.length;
    const closed = ledger.close();
    // Many times what a close takes.
    const later = new Promise((resolve) => void systemClock.after(500, () => resolve('waits')));
    assert.equal(await Promise.race([closed, later]), 'waits');
    release();
    await closed;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    // Its last commit may still need a segment: that too is before the lock goes.
    assert.equal(done[from], 'has removed');
    assert.equal(done.indexOf('unlocks'), done.length - 1, done.join());
  });
}
