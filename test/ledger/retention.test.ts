/** `retain`: what is handed over stays so long, by a synchronised clock alone, whatever the clock said meanwhile. */
import assert from 'node:assert/strict';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock, ClockQuality } from '../../src/ports.ts';
import { until } from '../rig/wait.ts';
import { appendSales, openLedger, temporaryDirectory } from './rig.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 24);
const DEADLINE_MS = 10_000;
/** The look of every minute comes after 15 ms. */
const HASTE = 4000;

interface Wall {
  ms: number;
  quality: ClockQuality;
  /** Looks of retention so far. */
  looks: number;
}

function clockOf(wall: Wall): Clock {
  return {
    ...systemClock,
    wallMs: () => wall.ms,
    quality: () => wall.quality,
    after: (ms, run) =>
      systemClock.after(ms / HASTE, () => {
        if (ms === 60_000) wall.looks += 1;
        run();
      }),
  };
}

async function open(t: TestContext, directory: string, wall: Wall): Promise<Ledger> {
  const ledger = await openLedger(directory, { clock: clockOf(wall), segmentBytes: 32 * 1024 });
  t.after(() => ledger.close());
  return ledger;
}

/** Fills three segments and some more, all handed over. */
async function fill(ledger: Ledger): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    const from = ledger.figures.last + 1;
    const results = await appendSales(ledger, from, from + 59);
    assert.ok(results.every(({ kind }) => kind === 'accepted'));
  }
  for (let seq = 1; seq <= ledger.figures.last; seq += 1) {
    ledger.release(1, seq);
    ledger.handOver(1, seq);
  }
  await until(() => ledger.figures.unsent === 0, 'all handed over', DEADLINE_MS);
}

/** Whether anything was dropped, some looks later. */
async function drops(ledger: Ledger, wall: Wall): Promise<boolean> {
  const { first } = ledger.figures;
  const { looks } = wall;
  await until(() => wall.looks >= looks + 5, 'looks of retention', DEADLINE_MS);
  return ledger.figures.first > first;
}

test('what was recorded by a synchronised clock goes after its time, and not before', async (t) => {
  const wall: Wall = { ms: NOW_MS, quality: 'synced', looks: 0 };
  const ledger = await open(t, await temporaryDirectory(t), wall);
  await fill(ledger);
  wall.ms += 29 * DAY_MS;
  assert.equal(await drops(ledger, wall), false);
  wall.ms += 2 * DAY_MS;
  wall.quality = 'set';
  assert.equal(await drops(ledger, wall), false, 'a clock that nobody keeps drops nothing');
  wall.quality = 'synced';
  assert.equal(await drops(ledger, wall), true);
});

test('an epoch before the live one is named for as long as something of it is kept', async (t) => {
  const wall: Wall = { ms: NOW_MS, quality: 'synced', looks: 0 };
  const ledger = await open(t, await temporaryDirectory(t), wall);
  await fill(ledger);
  const { epoch, last, older } = ledger.figures;
  assert.deepEqual(older, []);
  ledger.startEpoch('a test');
  await until(() => ledger.figures.epoch !== epoch, 'a new epoch', DEADLINE_MS);
  await appendSales(ledger, last + 1, last + 120);
  const first = (): (string | number)[][] =>
    ledger.figures.older.map((one) => [one.epoch, one.last, Math.min(one.first, 2)]);
  assert.deepEqual(first(), [[epoch, last, 1]]);
  wall.ms += 31 * DAY_MS;
  await until(() => ledger.figures.older.length === 0, 'the old epoch to be dropped', DEADLINE_MS);
});

for (const year of [1970, 2100]) {
  test(`what was recorded when the clock said ${year} stays as long as what came after it, and no longer`, async (t) => {
    const wall: Wall = { ms: Date.UTC(year, 0, 1), quality: 'unknown', looks: 0 };
    const directory = await temporaryDirectory(t);
    const first = await open(t, directory, wall);
    await fill(first);
    wall.ms = NOW_MS;
    wall.quality = 'synced';
    assert.equal(await drops(first, wall), false, 'it is not taken for as old as its clock said');
    await first.close();
    for (const name of await readdir(directory)) {
      const dates = [year === 1970 ? 1 : 4e9, year === 1970 ? 1 : 4e9] as const;
      if (name.endsWith('.seg')) await utimes(join(directory, name), ...dates);
    }
    const ledger = await open(t, directory, wall);
    wall.ms += 60 * DAY_MS;
    assert.equal(await drops(ledger, wall), false, 'dates of files say nothing');
    await fill(ledger);
    wall.ms += 29 * DAY_MS;
    assert.equal(await drops(ledger, wall), false);
    wall.ms += 2 * DAY_MS;
    assert.equal(await drops(ledger, wall), true);
  });
}
