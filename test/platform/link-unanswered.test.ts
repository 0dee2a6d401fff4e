/** What was asked of a broker and not answered when the connection ends: whoever waits hears of it, and waits no longer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { DEADLINE_MS, plainLink } from './plain-link.ts';

/** Success, no session, no properties. */
const CONNACK = Buffer.of(0x20, 3, 0, 0, 0);

for (const how of ['the broker cuts', 'this side ends', 'this side destroys'] as const) {
  test(`a publish without PUBACK is rejected when the connection ends, and so is one that comes after: ${how}`, async (t) => {
    let ended = false;
    const { link, socket } = await plainLink(t, {
      listener: {
        ended: () => {
          ended = true;
        },
      },
      // Answers CONNECT, and nothing else.
      connect: (broker) => void broker.write(CONNACK),
    });
    const outcomes: string[] = [];
    const note = (name: string, asked: Promise<unknown>): void => {
      asked.then(
        () => outcomes.push(`${name} answered`),
        () => outcomes.push(`${name} rejected`),
      );
    };
    const publish = (): Promise<void> => link.publish('a', Buffer.from('x'), { qos: 1, retain: false });
    // More than go at once, so that some wait for their turn.
    for (let count = 0; count < 20; count += 1) note('publish', publish());
    note('subscribe', link.subscribe('b', 1));
    note('unsubscribe', link.unsubscribe('b'));
    await once(socket, 'data');
    if (how === 'the broker cuts') socket.destroy();
    else if (how === 'this side ends') await link.end();
    else link.destroy({ word: 'own.ended', text: 'test' });
    await until(() => ended, 'the end', DEADLINE_MS);
    note('publish', publish());
    await until(
      () => outcomes.length === 23,
      () => `an outcome of each, got ${outcomes.length}`,
      DEADLINE_MS,
    );
    assert.deepEqual(new Set(outcomes), new Set(['publish rejected', 'subscribe rejected', 'unsubscribe rejected']));
  });
}

for (const how of ['the broker cuts', 'this side ends', 'this side destroys'] as const) {
  test(`nothing is waited for at the end of a link that is over already: ${how}`, async (t) => {
    const ends: string[] = [];
    const { link, socket } = await plainLink(t, {
      listener: { ended: ({ word }) => void ends.push(word) },
      connect: (broker) => void broker.write(CONNACK),
    });
    if (how === 'the broker cuts') socket.destroy();
    else if (how === 'this side ends') await link.end();
    else link.destroy({ word: 'own.ended', text: 'test' });
    await until(() => ends.length > 0, 'the end', DEADLINE_MS);
    let again = false;
    const ended = link.end({ word: 'broker.taken-over', text: 'too late' }).then(() => {
      again = true;
    });
    await until(() => again, 'the second end', DEADLINE_MS);
    await ended;
    assert.deepEqual(ends, [how === 'the broker cuts' ? 'broker.closed' : 'own.ended']);
  });
}
