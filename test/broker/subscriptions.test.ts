/** What a device subscribes to, and that a refusal of one filter is told and leaves the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscriptions } from '../../src/broker/subscriptions.ts';
import { topicsOf } from '../../src/broker/topics.ts';
import { Fault } from '../../src/fault.ts';
import type { Link } from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';
import { NO_LOG } from '../state/count.ts';

const MINUTE_MS = 60_000;

test('a group that an access rule refuses is told and tried again; what is for the device alone is subscribed', async () => {
  const clock = new HandClock();
  const asked: string[] = [];
  let mayGroup = false;
  let changes = 0;
  const subscribe: Link['subscribe'] = (filter) => {
    asked.push(filter);
    const isFine = mayGroup || !filter.includes('_group');
    return isFine ? Promise.resolve() : Promise.reject(new Fault('broker.forbidden', 'not authorised'));
  };
  const subscriptions = new Subscriptions({
    topics: topicsOf('fp/v1', 'pump-42', { groups: ['north'] }),
    clock,
    log: NO_LOG,
    onReady: () => undefined,
    onChange: () => {
      changes += 1;
    },
  });
  subscriptions.up({ subscribe } as Link);
  await new Promise(setImmediate);
  assert.deepEqual(asked, ['fp/v1/pump-42/down/#', 'fp/v1/_group/north/down/#']);
  assert.deepEqual([subscriptions.refused, changes], [['fp/v1/_group/north/down/#'], 1]);
  mayGroup = true;
  clock.pass(5 * MINUTE_MS);
  await new Promise(setImmediate);
  assert.deepEqual([subscriptions.refused, changes, asked.length], [[], 2, 3]);
  subscriptions.down();
});

test('a broker that does not answer a subscription is told after a minute, until it does', async () => {
  const clock = new HandClock();
  let answer = (): void => undefined;
  let ready = 0;
  const changes: (readonly string[])[] = [];
  const subscriptions: Subscriptions = new Subscriptions({
    topics: topicsOf('fp/v1', 'pump-42', { groups: [] }),
    clock,
    log: NO_LOG,
    onReady: () => {
      ready += 1;
    },
    onChange: () => void changes.push(subscriptions.refused),
  });
  const subscribe: Link['subscribe'] = () =>
    new Promise((done) => {
      answer = done;
    });
  subscriptions.up({ subscribe } as Link);
  clock.pass(MINUTE_MS);
  assert.deepEqual([changes, ready], [[['down/#']], 0]);
  answer();
  await new Promise(setImmediate);
  assert.deepEqual([changes, ready], [[['down/#'], []], 1]);
  // A link that ends takes its question along.
  subscriptions.up({ subscribe } as Link);
  subscriptions.down();
  clock.pass(10 * MINUTE_MS);
  answer();
  await new Promise(setImmediate);
  assert.deepEqual([changes.length, ready], [2, 1]);
});
