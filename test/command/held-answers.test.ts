/** Answers on links in the test's hand: where one goes that was refused, that found no link, or that a broker ends the link over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, HeldAnswers } from '../../src/command/held-answers.ts';
import { Fault } from '../../src/fault.ts';
import type { Link } from '../../src/ports-broker.ts';
import { keptLog, type LogLine } from '../serial-rig.ts';

const HOME = 'fp/v1/pump-42/up/response/add';

/** `takes`: undefined, the broker takes it; a Fault, it refuses; otherwise it ends the link. */
function bench(takes: (topic: string) => Fault | 'end' | undefined = () => undefined) {
  let link: Pick<Link, 'publish'> | undefined;
  const published: string[] = [];
  const logged: LogLine[] = [];
  const answers = new HeldAnswers({ link: () => link, log: keptLog(logged) });
  return {
    published,
    logged,
    send: (id: string, topic = `${HOME}/${id}`, owed = true): Promise<unknown> =>
      answers.send(answerTo(id, topic), owed).catch((error: unknown) => error),
    /** A link of its own comes up; resolves when what was held has been dealt with. */
    up: (): Promise<void> => {
      link = {
        publish: (topic: string) => {
          published.push(topic);
          const said = takes(topic);
          if (said === 'end') link = undefined;
          if (said !== undefined) return Promise.reject(said === 'end' ? new Error('the connection is over') : said);
          return Promise.resolve();
        },
      };
      return answers.linkUp();
    },
    down: (): void => {
      link = undefined;
    },
    isUp: (): boolean => link !== undefined,
  };
}

function answerTo(id: string, topic: string): Answer {
  return { topic, home: `${HOME}/${id}`, payload: Buffer.alloc(0), correlationData: undefined };
}

test('what found no link leaves with the next one, once, in order, at most 64 of them', async () => {
  const { send, up, down, published } = bench();
  for (let at = 0; at < 70; at += 1) await send(String(at), `ops/${at}`);
  await send('progress', 'ops/progress', false);
  await up();
  const expected = Array.from({ length: 64 }, (_, at) => `ops/${at + 6}`);
  assert.deepEqual(published, expected);
  down();
  await up();
  assert.deepEqual(published, expected);
});

test('an answer goes home where the broker refuses it elsewhere, and is then not held', async () => {
  const { send, up, down, published } = bench((topic) =>
    topic.startsWith('ops/') ? new Fault('broker.forbidden', 'no') : undefined,
  );
  await send('held', 'ops/held');
  await up();
  assert.deepEqual(published, ['ops/held', `${HOME}/held`]);
  assert.equal(await send('1', 'ops/1'), undefined);
  assert.deepEqual(published.slice(2), ['ops/1', `${HOME}/1`]);
  down();
  await up();
  assert.equal(published.length, 4);
});

test('an answer that the link ends under goes home on the next one, behind the others', async () => {
  const { send, up, published } = bench((topic) => (topic === 'ops/bad' ? 'end' : undefined));
  await up();
  assert.match(String(await send('bad', 'ops/bad')), /the connection is over/);
  await send('good');
  await up();
  assert.deepEqual(published, ['ops/bad', `${HOME}/bad`, `${HOME}/good`]);
});

test('an answer that a broker ends each link over costs three links, and the others none of their tries', async () => {
  const { send, up, isUp, published, logged } = bench((topic) => (topic.endsWith('/bad') ? 'end' : undefined));
  await send('bad', 'ops/bad');
  for (const id of ['1', '2']) await send(id);
  for (let links = 1; links <= 3; links += 1) {
    await up();
    assert.ok(!isUp());
  }
  assert.deepEqual(published, ['ops/bad', `${HOME}/1`, `${HOME}/2`, `${HOME}/bad`, `${HOME}/bad`]);
  assert.equal(logged.filter(({ sentence }) => sentence === 'answer given up').length, 1);
  await up();
  assert.ok(isUp());
  assert.equal(published.length, 5);
});

test('what the link ended behind, before it was sent, has all its tries yet', async () => {
  let bad = 0;
  const { send, up, isUp, published } = bench((topic) => {
    if (!topic.endsWith('/bad')) return undefined;
    bad += 1;
    return 'end';
  });
  for (const id of ['bad', 'bad', 'bad', 'good']) await send(id);
  for (let links = 0; links < 20 && !isUp(); links += 1) await up();
  assert.equal(bad, 9);
  assert.equal(published.filter((topic) => topic === `${HOME}/good`).length, 1);
});
