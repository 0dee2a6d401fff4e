import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventHash } from '../../src/ledger/event.ts';
import { appendSales, openLedger, readAll, sale, temporaryDirectory } from './rig.ts';

interface EventText {
  readonly seq: number;
  readonly epoch: string;
  readonly prev: string;
  readonly type: string;
  readonly source?: { readonly seq: string };
}

function textOf(payload: Buffer): EventText {
  return JSON.parse(payload.toString('utf8')) as EventText;
}

test('events are numbered without gaps and chained by the hash of their bytes', async (t) => {
  const ledger = await openLedger(await temporaryDirectory(t));
  await appendSales(ledger, 1, 500);
  const events = await readAll(ledger);
  assert.equal(events.length, 501);
  let prev = '';
  for (const [at, event] of events.entries()) {
    const text = textOf(event.payload);
    assert.equal(text.seq, at + 1);
    assert.equal(text.prev, prev);
    prev = eventHash(event.payload);
  }
  assert.equal(textOf((events[0] as { payload: Buffer }).payload).type, 'ledger.epoch');
  await ledger.close();
});

test('a reopened ledger goes on in its epoch, with its chain and its marks', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLedger(directory);
  await appendSales(first, 1, 300);
  const life = first.drainingLife;
  assert.ok(life);
  for (let seq = 1; seq <= 200; seq += 1) first.handOver(life.ordinal, seq);
  const before = await readAll(first);
  await first.close();
  const second = await openLedger(directory);
  assert.equal(second.figures.epoch, life.epoch);
  assert.equal(second.figures.last, 301);
  assert.equal(second.figures.unsent, 101);
  await appendSales(second, 301, 310);
  const after = await readAll(second);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.equal(
    textOf((after[301] as { payload: Buffer }).payload).prev,
    eventHash((after[300] as { payload: Buffer }).payload),
  );
  await second.close();
});

test('a repeat is known at once, while the first is being written, and after a restart; other content is a conflict', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory);
  const [first, again, other] = await Promise.all([
    ledger.append(sale(7)),
    ledger.append(sale(7)),
    ledger.append(sale(7, 1)),
  ]);
  assert.deepEqual([first.kind, again.kind, other.kind], ['accepted', 'repeat', 'conflict']);
  assert.equal((await ledger.append(sale(7))).kind, 'repeat');
  await appendSales(ledger, 100, 900);
  await ledger.close();
  const reopened = await openLedger(directory);
  assert.equal((await reopened.append(sale(7))).kind, 'repeat');
  assert.equal((await reopened.append(sale(8))).kind, 'accepted');
  assert.equal((await reopened.append(sale(900))).kind, 'repeat');
  assert.equal((await reopened.append(sale(900, 1))).kind, 'conflict');
  assert.equal((await reopened.append(sale(7, 70, 'b2'))).kind, 'accepted');
  await reopened.close();
});

test('a full ledger drops settled segments, refuses what would drop an unsettled event, and accepts again', async (t) => {
  const ledger = await openLedger(await temporaryDirectory(t), { maxBytes: 256 * 1024 });
  const life = ledger.drainingLife;
  assert.ok(life);
  let accepted = 0;
  let refused: string | undefined;
  for (let seq = 1; seq <= 2000 && refused === undefined; seq += 1) {
    const result = await ledger.append(sale(seq));
    if (result.kind === 'accepted') accepted += 1;
    else if (result.kind === 'refused') refused = result.code;
  }
  assert.equal(refused, 'ledger.full');
  const events = await readAll(ledger);
  assert.equal(events.length, accepted + 1);
  for (const event of events) ledger.handOver(life.ordinal, event.seq);
  await new Promise<void>((resolve) => ledger.onCommit(() => resolve()));
  assert.equal(ledger.figures.unsent, 0);
  assert.equal((await ledger.append(sale(3000))).kind, 'accepted');
  assert.ok(ledger.figures.first > 1);
  await ledger.close();
});

test('a second process can not open the same ledger', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory);
  await assert.rejects(openLedger(directory), { code: 'ledger.locked' });
  await ledger.close();
  const next = await openLedger(directory);
  await next.close();
});
