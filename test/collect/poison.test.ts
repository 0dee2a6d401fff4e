/** What one device says may be anything; it must not end the collector, which would read it again at each start. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyingKey } from '../../src/ledger/signature.ts';
import { eventSigner } from '../../src/platform/event-signer.ts';
import { createLog } from '../../src/platform/log.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { device, field, keptLines, openDesk } from './rig.ts';

const AGENT = { stream: 'agent' };

test('events of the agent with nonsense inside end nothing, and all else of the device and of others is kept', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out, () => ({ verify: true }));
  const [bad, good] = [device('bad', 'B1'), device('good', 'G1')];
  const nonsense: object[] = [
    { ...AGENT, type: 'ledger.key', data: null },
    { ...AGENT, type: 'ledger.key', data: 'text' },
    { ...AGENT, type: 'ledger.key', data: { public: null, key: null } },
    { ...AGENT, type: 'ledger.key', data: { public: field('A'.repeat(60_000)), key: field('k') } },
    { ...AGENT, type: 'ledger.gap', data: null },
    { ...AGENT, type: 'ledger.epoch', data: { old_epoch: field('x'.repeat(60_000)), old_last: field('7') } },
    { ...AGENT, type: 'ledger.epoch', data: { old_epoch: null } },
    { key: { toString: 1 }, sig: null },
  ];
  for (const [at, change] of nonsense.entries()) collector.take('bad', 'up/event/agent', bad(at + 1, change));
  for (const status of ['null', '7', '{"ledger":null}', '{"ledger":{"epoch":7}}', '[]', 'x'])
    collector.take('bad', 'up/status', Buffer.from(status));
  for (let seq = 1; seq <= 3; seq += 1) collector.take('good', 'up/event/sale', good(seq));
  await collector.flush();
  assert.deepEqual(
    happened.filter((line) => line.startsWith('failed')),
    [],
  );
  assert.deepEqual(await keptLines(out), [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
  assert.equal(collector.figures.unreadable, 0);
  assert.equal(happened.at(-1), 'release');
});

test('a message that can not be judged is kept apart and acknowledged', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out, (options) => ({
    topicsFor: (name) => {
      if (name === 'odd') throw new TypeError('a fault of ours');
      return options.topicsFor(name);
    },
  }));
  collector.take('odd', 'up/event/sale', Buffer.from('{}'));
  collector.take('good', 'up/event/sale', device('good', 'G1')(1));
  await collector.flush();
  assert.deepEqual([collector.figures.unreadable, collector.figures.stored], [1, 1]);
  const apart = await readFile(join(out, 'unreadable.ndjson'), 'utf8');
  assert.match(apart, /"device":"odd","reason":"can not be judged: a fault of ours","bytes":"e30="/);
  assert.deepEqual(happened, ['release']);
});

test('a topic whose device could be no file name makes no file', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out);
  const status = JSON.stringify({ ledger: { epoch: 'A1', first: 1, last: 3 } });
  for (const name of ['x'.repeat(300), '', 'a b']) collector.take(name, 'up/status', Buffer.from(status));
  await collector.flush();
  assert.deepEqual(happened, ['release']);
  assert.deepEqual([collector.devices, collector.figures.unreadable], [[], 3]);
});

test('a device that names epochs without end is held to a bound, and goes on with those that it has', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out);
  for (let at = 1; at <= 300; at += 1) {
    const status = JSON.stringify({ ledger: { epoch: `E${at}`, first: 1, last: 0 } });
    collector.take('bad', 'up/status', Buffer.from(status));
  }
  collector.take('bad', 'up/event/sale', device('bad', 'E7')(1));
  await collector.flush();
  assert.equal(collector.devices[0]?.book.epochs.length, 256);
  assert.deepEqual([collector.figures.unreadable, collector.figures.stored], [44, 1]);
  assert.ok(!happened.some((line) => line.startsWith('failed')), happened.join('\n'));
});

test('an output that can not be written acknowledges nothing more', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened, store } = await openDesk(t, out);
  const append = store.append.bind(store);
  let broken = true;
  store.append = (events, day) => {
    if (!broken) return append(events, day);
    broken = false;
    return Promise.reject(Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' }));
  };
  const make = device('pump-42', 'A1');
  collector.take('pump-42', 'up/event/sale', make(1));
  await assert.rejects(collector.flush(), /EIO/);
  collector.take('pump-42', 'up/event/sale', make(2));
  await collector.flush();
  assert.ok(happened.some((line) => line.includes('EIO')));
  assert.ok(!happened.includes('release'), happened.join('\n'));
});

test('each of several pinned keys is good, and any other is not', async (t) => {
  const home = await temporaryDirectory(t);
  const log = createLog({ level: 'error', journal: false, write: () => undefined });
  const signers = ['first', 'second', 'other'].map((name) => eventSigner(join(home, name), 'ed25519', log));
  const pinned = signers.slice(0, 2).map(({ publicKey }) => verifyingKey(Buffer.from(publicKey, 'base64')));
  const { collector, happened } = await openDesk(t, join(home, 'out'), () => ({ verify: true, pinned }));
  for (const [at, signer] of signers.entries())
    collector.take(`pump-${at}`, 'up/event/sale', device(`pump-${at}`, 'A1', signer)(1));
  await collector.flush();
  const [first, second, other] = signers.map(({ keyId }) => keyId);
  assert.deepEqual(happened, [
    `BAD: pump-2 A1 seq 1: is signed by the key ${other}, not by ${first} or ${second}`,
    'release',
  ]);
});
