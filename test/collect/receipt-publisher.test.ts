/** When receipts are said: never more than one under way for a device, none without a connection, none held up by another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory } from '../rig/temp.ts';
import { device, openDesk } from './rig.ts';

interface Sent {
  readonly topic: string;
  readonly through: number;
  readonly done: () => void;
}

test('a receipt that is not acknowledged is the only one of its device, and holds up no other device', async (t) => {
  const sent: Sent[] = [];
  const said: Promise<void>[] = [];
  const { collector } = await openDesk(t, await temporaryDirectory(t), () => ({
    publish: (topic, payload) =>
      new Promise((done) => {
        const { through } = JSON.parse(payload.toString('utf8')) as { through: number };
        sent.push({ topic, through, done });
      }),
  }));
  const pumps = ['slow', 'other'].map((name) => ({ name, make: device(name, 'A1') }));
  for (let round = 1; round <= 3; round += 1) {
    for (const { name, make } of pumps) collector.take(name, 'up/event/sale', make(round));
    await collector.flush();
    // Not waited for: it resolves when what it began is acknowledged.
    for (let look = 0; look < 20; look += 1) said.push(collector.say());
    for (const { topic, done } of sent) if (topic.includes('other')) done();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const of = (name: string): number[] => sent.filter(({ topic }) => topic.includes(name)).map(({ through }) => through);
  assert.deepEqual([of('slow'), of('other')], [[1], [1, 2, 3]]);
  const last = collector.sayLast();
  sent[0]?.done();
  await new Promise((resolve) => setImmediate(resolve));
  for (const { done } of sent) done();
  await last;
  await Promise.all(said);
  assert.deepEqual(of('slow'), [1, 3]);
});

test('while there is no connection no receipt is published, and the newest when there is one', async (t) => {
  let connected = false;
  const { collector, happened } = await openDesk(t, await temporaryDirectory(t), () => ({
    connected: () => connected,
  }));
  const make = device('pump-42', 'A1');
  const receipts = (): string[] => happened.filter((line) => line.startsWith('receipt'));
  for (let seq = 1; seq <= 5; seq += 1) {
    collector.take('pump-42', 'up/event/sale', make(seq));
    await collector.flush();
    for (let look = 0; look < 20; look += 1) await collector.say();
  }
  assert.deepEqual(receipts(), []);
  connected = true;
  for (let look = 0; look < 20; look += 1) await collector.say();
  assert.deepEqual([receipts().length, receipts()[0]?.includes('"through":5')], [1, true]);
});

test('a receipt that could not be published is said again', async (t) => {
  let fails = 2;
  const { collector, happened } = await openDesk(t, await temporaryDirectory(t), ({ publish }) => ({
    publish: (topic, payload) => {
      fails -= 1;
      return fails >= 0 ? Promise.reject(new Error('gone')) : publish(topic, payload);
    },
  }));
  collector.take('pump-42', 'up/event/sale', device('pump-42', 'A1')(1));
  await collector.flush();
  for (let look = 0; look < 20; look += 1) await collector.say();
  assert.deepEqual(
    happened.slice(1).map((line) => line.slice(0, 31)),
    [...Array.from({ length: 2 }, () => 'receipt for pump-42 not sent: E'), 'receipt {"epoch":"A1","through"'],
  );
  assert.equal(collector.figures.receipts, 1);
});
