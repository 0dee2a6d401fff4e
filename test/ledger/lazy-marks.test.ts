/** Marks that nobody waits for are written soon all the same, whatever the disk is doing when they come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';
import { faultyFiles } from './faulty-files.ts';
import { openLedger, sale, temporaryDirectory } from './rig.ts';

const DEADLINE_MS = 10_000;

test('a mark that comes while a commit is on its way to the disk is written after it, without waiting for another event', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = ledgerFiles(directory);
  let release: (() => void) | undefined;
  let held: Promise<void> | undefined;
  let writing = false;
  let lazy = 0;
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) =>
      systemClock.after(ms, () => {
        run();
        lazy += 1;
      }),
  };
  const ledger = await openLedger(directory, {
    clock,
    receipts: true,
    files: {
      ...files,
      openDurable: async (name) => {
        const file = await files.openDurable(name);
        return {
          write: async (bytes, at) => {
            writing = true;
            await held;
            await file.write(bytes, at);
          },
          close: () => file.close(),
        };
      },
    },
  });
  t.after(() => ledger.close());
  const accepted = await ledger.append(sale(1));
  assert.ok(accepted.kind === 'accepted');
  const life = ledger.settlement.lives[0];
  assert.ok(life !== undefined);
  held = new Promise((resolve) => {
    release = resolve;
  });
  writing = false;
  const second = ledger.append(sale(2));
  await until(() => writing, 'the commit', DEADLINE_MS);
  const before = lazy;
  ledger.settlement.settle(life, accepted.seq);
  await until(() => lazy > before, 'the end of the time for lazy marks', DEADLINE_MS);
  held = undefined;
  release?.();
  assert.equal((await second).kind, 'accepted');
  await until(() => ledger.settlement.settledThrough(life) === accepted.seq, 'the mark', DEADLINE_MS);
});

test('a disk that is well again is found so by a commit of marks alone, also where it took the place of the look', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = faultyFiles(directory);
  const held: (() => void)[] = [];
  const looks: (() => void)[] = [];
  let holds = false;
  const clock: Clock = {
    ...systemClock,
    soon: (run) => (holds ? void held.push(run) : systemClock.soon(run)),
    after: (ms, run) => {
      if (ms !== 1000) return systemClock.after(ms, run);
      looks.push(run);
      return { cancel: () => undefined };
    },
  };
  const ledger = await openLedger(directory, { clock, files });
  assert.equal((await ledger.append(sale(1))).kind, 'accepted');
  files.fault = { op: 'write', at: (files.calls.write ?? 0) + 1, times: 1_000_000, error: 'EIO' };
  assert.equal((await ledger.append(sale(2))).kind, 'refused');
  assert.equal(ledger.figures.refusing?.code, 'ledger.disk');
  files.fault = undefined;
  await until(() => ledger.work.mark === undefined, 'the end of the commit', DEADLINE_MS);
  holds = true;
  ledger.release(1, 2);
  await until(() => held.length > 0, 'the commit', DEADLINE_MS);
  for (const look of looks.splice(0)) look();
  holds = false;
  for (const run of held) run();
  await until(() => ledger.figures.refusing === undefined, 'events being accepted again', DEADLINE_MS);
  await ledger.close();
});
