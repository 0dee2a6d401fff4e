/**
 * What a status says of its connection: which session a signed command has to name (that of the status that is said now, and
 * none between two connections), and why there is one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Presence, type StatusFigures } from '../../src/broker/presence.ts';
import { topicsOf } from '../../src/broker/topics.ts';
import type { Link } from '../../src/ports-broker.ts';
import { HandClock } from '../sensor-rig.ts';
import { NO_LOG } from '../state/count.ts';

interface Rig {
  readonly presence: Presence;
  readonly link: Link;
  /** Every status so far. */
  readonly said: Readonly<Record<string, unknown>>[];
  /** Until the next document on a topic may follow the last. */
  readonly spaced: () => Promise<void>;
}

/** Of the documents on a retained topic (retained.ts). */
const SPACING_MS = 500;

function setPresence(figures: () => StatusFigures = () => ({ degraded: [] })): Rig {
  const clock = new HandClock();
  const presence = new Presence({
    topics: topicsOf('fp/v1', 'pump-42'),
    clock,
    log: NO_LOG,
    willDelayMs: 0,
    heartbeatMs: 60_000,
    figures,
    info: () => ({}),
    sensors: () => [],
  });
  const said: Record<string, unknown>[] = [];
  const terms = { maximumQos: 2, retainAvailable: true };
  const publish: Link['publish'] = (topic, payload) => {
    if (topic.endsWith('/up/status')) said.push(JSON.parse(payload.toString('utf8')) as Record<string, unknown>);
    return Promise.resolve();
  };
  const spaced = async (): Promise<void> => {
    await turn();
    clock.pass(SPACING_MS);
    await turn();
  };
  return { presence, link: { terms, publish } as Link, said, spaced };
}

test('why stays for the whole connection: start for every status of the first one, reconnect for those of the next', async () => {
  let degraded: readonly string[] = [];
  const { presence, link, said, spaced } = setPresence(() => ({ degraded }));
  const whys = (): unknown[] => said.map(({ why }) => why);
  presence.up(link, 'first');
  await turn();
  degraded = ['sensor.absent:pump'];
  presence.changed();
  await spaced();
  assert.deepEqual([whys(), presence.document('online')['why']], [['start', 'start'], 'start']);
  presence.down();
  presence.up(link, 'second');
  await turn();
  degraded = [];
  presence.changed();
  await spaced();
  assert.deepEqual(
    [whys(), presence.document('online')['why']],
    [['start', 'start', 'reconnect', 'reconnect'], 'reconnect'],
  );
  presence.down();
});

test('why is start for the first connection, however many did not come up before it', () => {
  const { presence, link, said } = setPresence();
  presence.will('none');
  presence.down();
  presence.up(link, 'first');
  assert.deepEqual(
    said.map(({ why }) => why),
    ['start'],
  );
  presence.down();
});

test('a command that a broker held back since the last session finds no session, until the status of the new one is said', () => {
  const { presence, link, said } = setPresence();
  const sessions = (): unknown[] => said.map(({ session }) => session);
  assert.equal(presence.session, undefined);
  presence.up(link, 'first');
  assert.deepEqual([presence.session, sessions()], ['first', ['first']]);
  presence.down();
  // The next link is being opened: what is queued for this device comes now, before its status is said.
  presence.will('second');
  assert.equal(presence.session, undefined);
  presence.up(link, 'second');
  assert.deepEqual([presence.session, sessions()], ['second', ['first', 'second']]);
  presence.down();
});
