/** What is known of the numbers that a sensor has used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentDigest, Sources } from '../../src/ledger/sources.ts';
import { sale } from './rig.ts';

test('a new board that counts its restarts from 1 again: no number of its sales passes for a repeat', () => {
  const sources = new Sources();
  const digestOf = (ml: number): string => contentDigest('sale', 'delivery', sale(ml).data);
  for (const boot of ['1', '2', '3']) for (let n = 1; n <= 20; n += 1) sources.add('pump', boot, n, digestOf(n));
  const again = new Sources(sources.snapshot());
  for (let n = 1; n <= 20; n += 1) {
    assert.equal(again.judge('pump', '1', n, digestOf(1000 + n)), 'unknown');
    // What the old board said before its last restart, and did not hear of: a repeat, known by its content.
    assert.equal(again.judge('pump', '2', n, digestOf(n)), 'repeat');
    assert.equal(again.judge('pump', '2', n, digestOf(1000 + n)), 'conflict');
  }
  assert.equal(again.judge('pump', '1', 21, digestOf(1021)), 'new');
});

test('a used number whose content is no longer kept is no repeat: after a new board, and after a counter that wraps', () => {
  const digestOf = (ml: number): string => contentDigest('sale', 'delivery', sale(ml).data);
  const sources = new Sources();
  for (let n = 1; n <= 3000; n += 1) sources.add('pump', '1', n, digestOf(n));
  const again = new Sources(sources.snapshot());
  const verdicts = Array.from({ length: 3000 }, (_, at) => again.judge('pump', '1', at + 1, digestOf(7000)));
  assert.deepEqual([...new Set(verdicts)], ['unknown', 'conflict']);
  // A sensor that was not answered goes on, and says again what it has not heard of much later.
  for (let n = 1001; n <= 3000; n += 1) assert.equal(again.judge('pump', '1', n, digestOf(n)), 'repeat');
  assert.equal(again.judge('pump', '1', 3001, digestOf(3001)), 'new');
});

test('sensors that number their events share what is kept of contents, and each keeps some', () => {
  const digestOf = (ml: number): string => contentDigest('sale', 'delivery', sale(ml).data);
  const sources = new Sources();
  for (let n = 1; n <= 300; n += 1)
    for (let pump = 0; pump < 64; pump += 1) sources.add(`pump-${pump}`, '1', n, digestOf(n));
  const again = new Sources(sources.snapshot());
  for (const pump of [0, 63]) {
    for (let n = 173; n <= 300; n += 1) assert.equal(again.judge(`pump-${pump}`, '1', n, digestOf(n)), 'repeat');
    assert.equal(again.judge(`pump-${pump}`, '1', 172, digestOf(172)), 'unknown');
  }
  assert.ok(JSON.stringify(sources.snapshot()).length < 400_000);
});

test('source numbers: exact within the bounds, never guessed at below them', () => {
  const sources = new Sources();
  const digest = contentDigest('sale', 'delivery', sale(1).data);
  for (let seq = 1; seq <= 1000; seq += 2) sources.add('pump', 'a', seq, digest);
  assert.equal(sources.judge('pump', 'a', 999, digest), 'repeat');
  assert.equal(sources.judge('pump', 'a', 999, 'other'), 'conflict');
  assert.equal(sources.judge('pump', 'a', 998, digest), 'new');
  assert.equal(sources.judge('pump', 'a', 2, digest), 'unknown');
  assert.deepEqual(new Sources(sources.snapshot()).snapshot(), sources.snapshot());
  for (let n = 0; n < 8; n += 1) sources.add('pump', `e${n}`, 1, digest);
  assert.equal(sources.judge('pump', 'a', 999, digest), 'new', 'the ninth epoch back is forgotten');
});
