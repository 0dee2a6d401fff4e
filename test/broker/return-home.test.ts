/** When the first broker is looked for from another one, and that one that does not hold is looked for less and less. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReturnHome } from '../../src/broker/return-home.ts';
import type { LinkEnd } from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';

const MINUTE_MS = 60_000;

interface Scene {
  readonly clock: HandClock;
  readonly home: ReturnHome;
  readonly seen: { looks: number; returns: number };
  readonly first: { isThere: boolean };
}

function setScene(afterMs: number): Scene {
  const clock = new HandClock();
  const seen = { looks: 0, returns: 0 };
  const first = { isThere: false };
  const refused: LinkEnd = { word: 'network.refused', text: '' };
  const home = new ReturnHome({
    clock,
    chance: { unit: () => 0.5, bytes: (length) => Buffer.alloc(length) },
    afterMs,
    probe: () => {
      seen.looks += 1;
      return Promise.resolve(first.isThere ? undefined : refused);
    },
    go: () => {
      seen.returns += 1;
    },
  });
  return { clock, home, seen, first };
}

async function pass({ clock }: Scene, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    clock.pass(MINUTE_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('the first broker is looked for until it is there, and then gone to once', async () => {
  const scene = setScene(10 * MINUTE_MS);
  scene.home.away();
  await pass(scene, 60);
  // Every ten minutes and a quarter more, by chance.
  assert.deepEqual(scene.seen, { looks: 4, returns: 0 });
  scene.first.isThere = true;
  await pass(scene, 60);
  assert.deepEqual(scene.seen, { looks: 5, returns: 1 });
});

test('a first broker that can be reached and does not hold is gone to less and less often', async () => {
  const scene = setScene(10 * MINUTE_MS);
  scene.first.isThere = true;
  const waits: number[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    const { returns } = scene.seen;
    scene.home.away();
    let minutes = 0;
    while (scene.seen.returns === returns && minutes < 1000) {
      await pass(scene, 1);
      minutes += 1;
    }
    waits.push(minutes);
  }
  assert.deepEqual(waits, [13, 25, 50, 100, 200, 400, 400, 400]);
  scene.home.held();
  scene.home.away();
  await pass(scene, 13);
  assert.equal(scene.seen.returns, 9);
});

test('a look that comes back after the link has gone changes nothing, and 0 means never', async () => {
  const scene = setScene(10 * MINUTE_MS);
  scene.first.isThere = true;
  scene.home.away();
  scene.clock.pass(13 * MINUTE_MS);
  scene.home.cancel();
  await pass(scene, 1000);
  assert.deepEqual(scene.seen, { looks: 1, returns: 0 });
  const never = setScene(0);
  never.first.isThere = true;
  never.home.away();
  await pass(never, 1000);
  assert.deepEqual(never.seen, { looks: 0, returns: 0 });
});

test('the longest wait for a first broker that does not hold is a week and a half', async () => {
  const scene = setScene(7 * 1440 * MINUTE_MS);
  scene.first.isThere = true;
  for (let turn = 0; turn < 6; turn += 1) {
    scene.home.away();
    scene.clock.pass(10.5 * 1440 * MINUTE_MS);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(scene.seen.returns, turn + 1);
  }
});
