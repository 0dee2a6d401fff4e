/** A session that could not be marked on a failing disk: no event leaves, and it is tried again while the link stands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../../src/broker/connection.ts';
import type { Link, LinkEnd, LinkListener } from '../../src/ports-broker.ts';
import { until } from '../rig/wait.ts';
import { HandClock } from '../sensor-rig.ts';
import { QUIET_TRAFFIC, quietOptions } from './quiet-connection.ts';

const DEADLINE_MS = 5000;

function linkTo(listener: LinkListener): Link {
  const end = (why: LinkEnd = { word: 'own.ended', text: '' }): Promise<void> => {
    listener.ended(why);
    return Promise.resolve();
  };
  return {
    terms: {
      sessionPresent: false,
      receiveMaximum: 20,
      maximumPacketSize: Infinity,
      maximumQos: 2,
      retainAvailable: true,
      sessionExpirySeconds: undefined,
    },
    full: false,
    resumed: undefined,
    write: () => undefined,
    publish: () => Promise.resolve(),
    subscribe: () => Promise.resolve(),
    unsubscribe: () => Promise.resolve(true),
    end,
    destroy: (why) => void end(why),
  };
}

test('a link whose session could not be marked is made anew after a while, and events leave as soon as the disk is well', async (t) => {
  const clock = new HandClock();
  const held: (string | undefined)[] = [];
  let fails = true;
  const connection = new Connection({
    ...quietOptions(4),
    opener: {
      open: (_target, listener) => Promise.resolve({ kind: 'up', link: linkTo(listener) }),
      probe: () => Promise.resolve(undefined),
    },
    store: {
      session: undefined,
      life: 1,
      epoch: 'E',
      markSession: () => (fails ? Promise.reject(new Error('EIO')) : Promise.resolve()),
    },
    traffic: { ...QUIET_TRAFFIC, up: (_link, _session, _generation, eventsHeld) => void held.push(eventsHeld) },
    clock,
  });
  t.after(() => connection.stop());
  connection.start();
  await until(() => held.length === 1, 'the first link', DEADLINE_MS);
  assert.equal(held[0], 'EIO');
  fails = false;
  clock.pass(9999);
  assert.equal(held.length, 1);
  clock.pass(1);
  await until(
    () => {
      // What waits for its turn is due at once.
      clock.pass(1);
      return held.length === 2;
    },
    'a link after the disk is well',
    DEADLINE_MS,
  );
  assert.equal(held[1], undefined);
});
