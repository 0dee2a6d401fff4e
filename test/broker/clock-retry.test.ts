/** What failed for want of the time is tried at once when the clock is set; what failed for another reason keeps its pace. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../../src/broker/connection.ts';
import type { LinkWord } from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';
import { quietOptions } from './quiet-connection.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 5000;

/** A connection to a broker that always refuses with `word`, and how often it was tried. */
function refused(word: LinkWord): { connection: Connection; attempts: () => number; clock: HandClock } {
  let attempts = 0;
  const clock = new HandClock();
  const connection = new Connection({
    ...quietOptions(5),
    opener: {
      open: () => {
        attempts += 1;
        return Promise.resolve({ kind: 'refused', end: { word, text: word } });
      },
      probe: () => Promise.resolve({ word, text: word }),
    },
    store: { session: undefined, life: { ordinal: 1, epoch: 'E' }, markSession: () => Promise.resolve() },
    clock,
  });
  return { connection, attempts: () => attempts, clock };
}

for (const word of ['tls.clock', 'tls.expired', 'tls.not-yet-valid', 'tls.no-crl'] as const) {
  test(`${word}: a clock that was set is tried at once, and once`, async (t) => {
    const { connection, attempts, clock } = refused(word);
    t.after(() => connection.stop());
    connection.start();
    await until(() => clock.timers === 1, 'the wait after the first attempt', DEADLINE_MS);
    connection.clockChanged();
    connection.clockChanged();
    await until(() => clock.timers === 1, 'the wait after the second attempt', DEADLINE_MS);
    assert.equal(attempts(), 2);
  });
}

test('a broker that is not there is not tried sooner because a clock was set', async (t) => {
  const { connection, attempts, clock } = refused('network.refused');
  t.after(() => connection.stop());
  connection.start();
  await until(() => clock.timers === 1, 'the wait after the first attempt', DEADLINE_MS);
  connection.clockChanged();
  assert.equal(clock.timers, 1);
  assert.equal(attempts(), 1);
});
