/** Commands to a group, answers outside our own tree, and the word that a changing command is on disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../../src/broker/topics.ts';
import { GroupDoor } from '../../src/command/group-door.ts';
import type { InboundMessage } from '../../src/ports-broker.ts';
import { testRandom } from '../rig/random.ts';
import { HandClock } from '../sensor-rig.ts';
import { NO_LOG } from '../state/count.ts';
import { codeOf, deskRig, handClock, ROOT } from './desk-rig.ts';

const TOPICS = topicsOf('fp/v1', 'pump-42', { groups: ['north', 'all'], responsePrefix: 'ops/answers' });
const NORTH = 'fp/v1/_group/north/down/command';

test('a group is asked what changes nothing, and each device answers below its own tree', async (t) => {
  const { desk, answers, runs } = await deskRig(t, { topics: TOPICS });
  const send = (topic: string, payload: string, more: Partial<InboundMessage> = {}): void =>
    desk.take({ topic, payload: Buffer.from(payload), retained: false, ...more });
  send(`${NORTH}/ping/1`, '', { responseTopic: 'ops/answers/x', correlationData: Buffer.from('c') });
  send(`${NORTH}/add/2`, '{"args":{"a":1,"b":2}}');
  send('fp/v1/_group/south/down/command/ping/3', '');
  send('fp/v1/_group/all/down/command/ping/4', '');
  send('fp/v1/_group/north/down/command/ping', '');
  await new Promise(setImmediate);
  assert.deepEqual(
    answers
      .map((answer) =>
        [answer.topic, answer.document['status'], codeOf(answer), answer.correlation].map(String).join(' '),
      )
      .toSorted(),
    [
      `${ROOT}/up/response/add/2 rejected command.group undefined`,
      `${ROOT}/up/response/ping/1 succeeded undefined c`,
      `${ROOT}/up/response/ping/4 succeeded undefined undefined`,
    ],
  );
  assert.equal(runs(), 0);
});

function doorBench(unit: () => number) {
  const clock = new HandClock();
  const passed: InboundMessage[] = [];
  const chance = { unit, bytes: (count: number) => Buffer.alloc(count) };
  const options = { topics: TOPICS, clock, chance, log: NO_LOG, spreadMs: 10_000 };
  const door = new GroupDoor({ ...options, pass: (message) => passed.push(message) });
  const take = (topic: string, expirySeconds?: number): void =>
    door.take({
      topic,
      payload: Buffer.alloc(0),
      retained: false,
      ...(expirySeconds === undefined ? {} : { expirySeconds }),
    });
  return { clock, door, passed, take, ids: () => passed.map(({ topic }) => topic.split('/').at(-1)).join() };
}

test('what comes to a group waits by chance and within its bound; what comes to the device passes at once', () => {
  let unit = 0.5;
  const { clock, door, passed, take, ids } = doorBench(() => unit);
  take(`${NORTH}/ping/1`, 8);
  take(`${ROOT}/down/command/ping/3`);
  assert.equal(ids(), '3');
  clock.pass(4999);
  assert.equal(ids(), '3');
  clock.pass(1);
  assert.equal(ids(), '3,1');
  assert.equal(passed[1]?.expirySeconds, 3);
  unit = 0.9;
  take(`${NORTH}/ping/2`);
  clock.pass(8999);
  assert.equal(ids(), '3,1');
  clock.pass(1);
  assert.equal(ids(), '3,1,2');
  for (let at = 0; at < 1000; at += 1) take(`${NORTH}/ping/flood`);
  clock.pass(10_000);
  assert.equal(passed.length, 3 + 32);
  take(`${NORTH}/ping/late`);
  door.stop();
  clock.pass(10_000);
  assert.equal(passed.length, 35);
});

test('what comes to a group keeps its order, whatever chance says', (t) => {
  const random = testRandom(t);
  const { clock, passed, take, ids } = doorBench(() => random.unit());
  let asked = 0;
  const expected: string[] = [];
  for (let second = 0; second < 1000; second += 1) {
    take(`${random.unit() < 0.5 ? NORTH : 'fp/v1/_group/all/down/command'}/ping/${asked}`, 3600);
    expected.push(String(asked));
    asked += 1;
    clock.pass(Math.floor(random.unit() * 3000));
  }
  clock.pass(10_000);
  assert.equal(ids(), expected.join());
  for (const { expirySeconds = 0 } of passed) assert.ok(expirySeconds >= 3590 && expirySeconds <= 3600);
});

test('an answer goes below the allowed prefix where asked, and nowhere else', async (t) => {
  const { ask } = await deskRig(t, { topics: TOPICS });
  const own = `${ROOT}/up/response/ping`;
  const topicFor = async (id: string, responseTopic: string): Promise<string> =>
    (await ask(`ping/${id}`, '', { responseTopic })).topic;
  assert.equal(await topicFor('1', 'ops/answers/desk-7'), 'ops/answers/desk-7');
  assert.equal(await topicFor('2', `${own}/elsewhere`), `${own}/elsewhere`);
  const deepest = `ops/answers/${'a/'.repeat(15)}$a:@~`;
  assert.equal(await topicFor('3', deepest), deepest);
  const others = [
    'ops/answers',
    'ops/answersx/1',
    'fp/v1/pump-43/up/status',
    `${ROOT}/up/status`,
    'ops/answers/#',
    'ops/answers/',
    'ops/answers//x',
    `ops/answers/${'a/'.repeat(16)}a`,
    `${own}/${'/'.repeat(300)}`,
    `ops/answers/${'x'.repeat(65)}`,
    'ops/answers/\ufffe',
    'ops/answers/a b',
    'x',
  ];
  for (const [at, topic] of others.entries()) assert.equal(await topicFor(`o${at}`, topic), `${own}/o${at}`, topic);
  assert.equal(await topicFor('long', `ops/answers/${'x'.repeat(600)}`), `${own}/long`);
});

test('a changing command is accepted when it is on disk, then answered; a rejected or reading one is not accepted', async (t) => {
  const statuses: string[] = [];
  const { clock } = handClock('set');
  const { desk, send } = await deskRig(t, {
    clock,
    respond: ({ id, status }) => {
      statuses.push(`${id} ${status}`);
      return Promise.resolve();
    },
  });
  assert.equal(desk.counters.requests, 0);
  send('ping/p', '');
  send('add/bad', '{}');
  send('add/1', '{"args":{"a":1,"b":2}}');
  const deadline = performance.now() + 5000;
  while (statuses.length < 4 && performance.now() < deadline) await new Promise(setImmediate);
  assert.deepEqual(statuses.toSorted(), ['1 accepted', '1 succeeded', 'bad rejected', 'p succeeded']);
  assert.ok(statuses.indexOf('1 accepted') < statuses.indexOf('1 succeeded'));
});
