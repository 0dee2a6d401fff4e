/** What a broker takes of a topic: EMQX as it comes 128 levels, Mosquitto 201; over more they end the link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../../src/broker/topics.ts';
import { base, good } from '../config-rig.ts';

const LEVELS_MAX = 128;
const NAME = 'n'.repeat(64);
const DEEPEST = `${'a/'.repeat(63)}a`;

test('no device.json and no request leads to a topic of more levels than a broker takes', () => {
  const responsePrefix = `b${DEEPEST.slice(1)}`;
  const device = { id: NAME, groups: [NAME] };
  const { topics: found } = good({ ...base(), device, topics: { prefix: DEEPEST, responsePrefix } });
  const topics = topicsOf(found.prefix, NAME, { ...found, groups: device.groups });
  const below = Array.from({ length: 16 }, () => 'r');
  const named = [topics.sensor(NAME), topics.telemetry(NAME), topics.event(NAME), topics.response(NAME, NAME)];
  const subscribed = [topics.downAll, ...topics.groups.map(({ filter }) => filter), topics.command(NAME, NAME)];
  const elsewhere = [`${responsePrefix}/${below.join('/')}`, `${topics.root}/up/response/${below.join('/')}`];
  for (const topic of elsewhere) {
    assert.ok(topics.isResponse(topic), topic);
    assert.ok(!topics.isResponse(`${topic}/r`), topic);
  }
  for (const topic of [...named, ...subscribed, ...elsewhere]) assert.ok(levelsOf(topic) < LEVELS_MAX, topic);
});

test('a response topic has only characters that every broker takes', () => {
  const topics = topicsOf('fp/v1', 'pump-42');
  const start = `${topics.root}/up/response`;
  for (const level of ['desk-7', '$a', 'a:b@c~', '!"%&\'()*,.;<=>?[]^_`{|}']) {
    assert.ok(topics.isResponse(`${start}/${level}`), level);
  }
  const others = [
    '',
    'a b',
    'a+',
    'a#',
    'a\0',
    'a\u0001',
    '\u007f',
    '\u0080',
    '\ud800',
    '\ufffe',
    'ä',
    'a\n',
    'x'.repeat(65),
  ];
  for (const level of others) {
    assert.ok(!topics.isResponse(`${start}/${level}`), JSON.stringify(level));
    assert.ok(!topics.isResponse(`${start}/${level}/b`), JSON.stringify(level));
  }
});

function levelsOf(topic: string): number {
  return topic.split('/').length;
}
