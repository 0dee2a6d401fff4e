/** A bounded sample of `npm run reconnect`, and the same in virtual time, where it does not depend on this machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFleet } from './reconnect/fleet.ts';
import { modelFleet, mostWithin, quantile } from './reconnect/model.ts';
import { testRandom } from './rig/random.ts';

const AGENTS = 25;

test('devices that lost their broker at one moment do not come back at one moment', (t) => {
  const { seed } = testRandom(t);
  for (const outageMs of [1000, 5000, 60_000, 600_000]) {
    const fleet = { agents: 1000, outageMs, seed };
    const { ups, attempts } = modelFleet({ ...fleet, jitter: true });
    const most = mostWithin(ups, 100);
    assert.ok(most <= 150, `${most} of 1000 within 100 ms after ${outageMs} ms`);
    // And all are back soon: no wait is longer than its ceiling of a minute.
    assert.ok(quantile(ups, 1) <= outageMs + 60_000);
    assert.ok(attempts.length <= 1000 * (8 + (2 * outageMs) / 30_000), `${attempts.length} attempts`);
    assert.equal(mostWithin(modelFleet({ ...fleet, jitter: false }).ups, 100), 1000, 'control: without jitter');
  }
});

test('a fleet on a real broker is back after its restart, with no more attempts than the plan allows', async (t) => {
  const { seed } = testRandom(t);
  const { ups, attempts, backMs } = await runFleet({ agents: AGENTS, outageMs: 1000, seed, jitter: true });
  assert.equal(ups.length, AGENTS);
  assert.ok(ups.every((ms) => ms <= backMs + 60_000));
  assert.ok(attempts.length >= AGENTS);
  t.diagnostic(`${attempts.length} attempts, ${mostWithin(ups, 100)} of ${AGENTS} within 100 ms`);
});

test('the most within a window is counted over any place of it', () => {
  assert.equal(mostWithin([], 100), 0);
  assert.equal(mostWithin([0, 99, 100, 150, 199, 250], 100), 3);
  assert.equal(mostWithin([500, 0], 100), 1);
});
