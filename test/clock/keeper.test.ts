/** `clock.anchor` events, and the floor of the time over restarts: when, how many, and what they cost the disk. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { BUILT_MS } from '../../src/clock/quality.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { countedStore, DAY_MS, type Documents, machine, NOW_MS } from './clock-rig.ts';

const HOUR_MS = 3_600_000;

async function documents(t: TestContext): Promise<Documents> {
  return countedStore(join(await temporaryDirectory(t), 'state'));
}

test('a clock that is set, and then synchronised, is anchored once each', async (t) => {
  const { store } = await documents(t);
  const unit = machine(store, 60_000);
  await unit.keeper.start();
  await unit.pass(20_000);
  assert.equal(unit.anchors.length, 0);
  unit.setWall(NOW_MS);
  await unit.pass(2000);
  assert.deepEqual(
    unit.anchors.map(({ why, before, clock }) => [why, before, clock]),
    [['better', 'unknown', 'set']],
  );
  assert.equal(unit.anchors[0]?.stepMs, NOW_MS - 60_000 - 20_000);
  unit.synced = true;
  await unit.pass(20_000);
  assert.deepEqual(unit.anchors.map(({ before, clock }) => [before, clock]).slice(1), [['set', 'synced']]);
  await unit.pass(HOUR_MS);
  assert.equal(unit.anchors.length, 2);
  assert.equal(unit.better(), 2, 'whoever waited for the time is told of each');
  await unit.keeper.stop();
});

test('a boot with a synchronised clock from the start has no anchor, and no write but the floor of a day', async (t) => {
  const { store, writes } = await documents(t);
  const unit = machine(store, NOW_MS);
  unit.synced = true;
  await unit.keeper.start();
  await unit.pass(60_000);
  assert.deepEqual(unit.anchors, []);
  assert.equal(writes(), 1);
  await unit.pass(26 * HOUR_MS);
  assert.equal(writes(), 2);
  await unit.keeper.stop();
});

test('a clock that was set while it was good is anchored as stepped, and as better when it is synchronised again', async (t) => {
  const { store } = await documents(t);
  const unit = machine(store, NOW_MS);
  unit.synced = true;
  await unit.keeper.start();
  unit.synced = false;
  unit.setWall(NOW_MS + DAY_MS);
  await unit.pass(10_000);
  unit.synced = true;
  await unit.pass(10_000);
  assert.deepEqual(
    unit.anchors.map(({ why, before, clock }) => [why, before, clock]),
    [
      ['stepped', 'set', 'set'],
      ['better', 'set', 'synced'],
    ],
  );
  await unit.keeper.stop();
});

test('a short excursion of the clock in which something was stamped is anchored behind it', async (t) => {
  const { store } = await documents(t);
  const unit = machine(store, NOW_MS);
  await unit.keeper.start();
  const { wallOffsetMs } = unit.hand;
  unit.hand.wallOffsetMs = 0;
  assert.equal(unit.clock.quality(), 'unknown');
  unit.hand.wallOffsetMs = wallOffsetMs;
  await unit.pass(10_000);
  assert.deepEqual(
    unit.anchors.map(({ why, before, clock }) => [why, before, clock]),
    [['better', 'unknown', 'set']],
  );
  await unit.keeper.stop();
});

test('an agent that starts again in the same boot anchors what the one before recorded without the time', async (t) => {
  const { store } = await documents(t);
  const first = machine(store, 60_000);
  await first.keeper.start();
  await first.pass(5000);
  const again = machine(store, NOW_MS, 'b1', 15_000);
  again.synced = true;
  await again.keeper.start();
  await again.pass(10_000);
  assert.deepEqual(
    again.anchors.map(({ before, clock }) => [before, clock]),
    [['unknown', 'synced']],
  );
  const third = machine(store, NOW_MS + 60_000, 'b1', 75_000);
  third.synced = true;
  await third.keeper.start();
  await third.pass(60_000);
  assert.deepEqual(third.anchors, [], 'what is anchored is anchored');
  const next = machine(store, NOW_MS + 120_000, 'b2');
  next.synced = true;
  await next.keeper.start();
  await next.pass(60_000);
  assert.deepEqual(next.anchors, [], 'another boot has nothing to date');
});

test('an anchor that a full ledger refuses is owed until it is taken', async (t) => {
  const { store } = await documents(t);
  const unit = machine(store, 60_000);
  await unit.keeper.start();
  unit.refuses = true;
  unit.setWall(NOW_MS);
  await unit.pass(60_000);
  unit.refuses = false;
  await unit.pass(10_000);
  assert.equal(unit.anchors.length, 1);
  await unit.keeper.stop();
});

test('a clock that jumps all day fills neither the ledger nor the card, and is anchored in the end', async (t) => {
  const { store, writes } = await documents(t);
  const unit = machine(store, NOW_MS);
  await unit.keeper.start();
  for (let jump = 0; jump < 2880; jump += 1) {
    unit.hand.wallOffsetMs += jump % 2 === 0 ? DAY_MS : -DAY_MS;
    await unit.pass(30_000);
  }
  assert.ok(unit.anchors.length >= 24 && unit.anchors.length <= 31, `${unit.anchors.length} anchors`);
  assert.ok(writes() <= 2 * unit.anchors.length + 3, `${writes()} writes`);
  unit.synced = true;
  await unit.pass(10_000);
  assert.equal(unit.anchors.at(-1)?.clock, 'synced');
  await unit.keeper.stop();
});

test('the newest time that was sure is the floor of the next start', async (t) => {
  const { store } = await documents(t);
  const unit = machine(store, NOW_MS);
  await unit.keeper.start();
  assert.equal(unit.clock.floorMs, BUILT_MS, 'a clock that is only plausible is no floor');
  unit.keeper.sessionUp();
  assert.equal(unit.clock.floorMs, unit.clock.wallMs());
  await unit.keeper.stop();
  const behind = machine(store, NOW_MS - 2 * HOUR_MS, 'b2');
  await behind.keeper.start();
  assert.equal(behind.clock.quality(), 'unknown');
  assert.ok(behind.clock.floorMs >= NOW_MS);
  behind.keeper.sessionUp();
  assert.ok(behind.clock.floorMs < NOW_MS + HOUR_MS, 'a session under such a clock proves nothing of the time');
  await behind.keeper.stop();
});

test('a floor that was taken from a wrong clock is given up when the time service says so, for the next start too', async (t) => {
  const { store } = await documents(t);
  const ahead = machine(store, Date.UTC(2040, 0, 1));
  await ahead.keeper.start();
  ahead.keeper.sessionUp();
  await ahead.keeper.stop();
  const back = machine(store, NOW_MS, 'b2');
  await back.keeper.start();
  assert.equal(back.clock.quality(), 'unknown');
  back.synced = true;
  await back.pass(10_000);
  assert.equal(back.clock.quality(), 'synced');
  await back.keeper.stop();
  const next = machine(store, NOW_MS + DAY_MS, 'b3');
  await next.keeper.start();
  assert.equal(next.clock.quality(), 'set');
});
