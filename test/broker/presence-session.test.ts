/** Which session a signed command has to name: that of the status that is said now, and none between two connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Presence } from '../../src/broker/presence.ts';
import { topicsOf } from '../../src/broker/topics.ts';
import type { Link } from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';
import { NO_LOG } from '../state/count.ts';

test('a command that a broker held back since the last session finds no session, until the status of the new one is said', () => {
  const presence = new Presence({
    topics: topicsOf('fp/v1', 'pump-42'),
    clock: new HandClock(),
    log: NO_LOG,
    willDelayMs: 0,
    heartbeatMs: 60_000,
    figures: () => ({ degraded: [] }),
    info: () => ({}),
    sensors: () => [],
  });
  const said: unknown[] = [];
  const terms = { maximumQos: 2, retainAvailable: true };
  const publish: Link['publish'] = (topic, payload) => {
    if (topic.endsWith('/up/status')) said.push((JSON.parse(payload.toString('utf8')) as { session: unknown }).session);
    return Promise.resolve();
  };
  const link = { terms, publish } as Link;
  assert.equal(presence.session, undefined);
  presence.up(link, 'first');
  assert.deepEqual([presence.session, said], ['first', ['first']]);
  presence.down();
  // The next link is being opened: what is queued for this device comes now, before its status is said.
  presence.will('second');
  assert.equal(presence.session, undefined);
  presence.up(link, 'second');
  assert.deepEqual([presence.session, said], ['second', ['first', 'second']]);
  presence.down();
});
