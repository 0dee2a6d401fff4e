/** The demo's and the crash matrix's judge, on deliveries made by hand: it must see every way to lose or bill twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Audit, type Bill, billFault } from '../src/demo/audit.ts';
import { Deliveries } from '../src/workbench/deliveries.ts';
import { amountText, type Sale, volumeText } from '../src/workbench/fuel-pump.ts';

const SALES: readonly Sale[] = [1, 2, 3, 4, 5].map((seq) => ({ boot: 'a1', seq, ml: 12_000 + seq, cents: 2100 + seq }));

interface Change {
  readonly epoch?: string;
  readonly seq?: number;
  readonly volume?: string;
}

function eventOf(sale: Sale, change: Change = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      v: 1,
      device: 'pump-42',
      epoch: change.epoch ?? 'E1',
      seq: change.seq ?? sale.seq,
      sensor: 'pump',
      stream: 'sale',
      type: 'delivery',
      data: { volume: { value: change.volume ?? volumeText(sale), unit: 'l' }, amount: { value: amountText(sale) } },
      source: { epoch: sale.boot, seq: String(sale.seq) },
    }),
  );
}

function bill(payloads: readonly Buffer[], accepted: readonly Sale[] = SALES): Bill {
  const deliveries = new Deliveries();
  const audit = new Audit();
  for (const payload of payloads) {
    const { verdict, event } = deliveries.take(payload);
    audit.take(verdict, event);
  }
  return audit.settle(SALES, accepted, deliveries.figures);
}

const ALL = SALES.map((sale) => eventOf(sale));
const [first, second] = SALES as [Sale, Sale];

test('a bill with each accepted sale once is in order', () => {
  const settled = bill(ALL);
  assert.equal(billFault(settled), undefined);
  assert.deepEqual(
    [settled.sales, settled.accepted, settled.received, settled.lost, settled.duplicates, settled.repeats],
    [5, 5, 5, 0, 0, 0],
  );
});

test('a sale that was never acknowledged may be missing, and may have come', () => {
  assert.equal(billFault(bill(ALL.slice(0, 4), SALES.slice(0, 4))), undefined);
  assert.equal(billFault(bill(ALL, SALES.slice(0, 4))), undefined);
});

test('an acknowledged sale that never came is lost', () => {
  const settled = bill(ALL.slice(0, 4));
  assert.equal(settled.lost, 1);
  assert.match(billFault(settled) ?? '', /1 accepted sales were lost/);
  assert.deepEqual(settled.findings, ['lost: a1 5']);
});

test('the same event again with the same bytes is a repeat and is billed once', () => {
  const settled = bill([...ALL, eventOf(first)]);
  assert.equal(settled.repeats, 1);
  assert.equal(settled.received, 5);
  assert.equal(billFault(settled), undefined);
});

test('a sale under two identities is billed twice', () => {
  for (const other of [{ seq: 6 }, { epoch: 'E2', seq: 1 }]) {
    const settled = bill([...ALL, eventOf(first, other)]);
    assert.equal(settled.duplicates, 1);
    assert.match(billFault(settled) ?? '', /billed twice/);
  }
});

test('two versions of one event are a fork, and count as billed twice', () => {
  const settled = bill([...ALL, eventOf(second, { volume: '99.000' })]);
  assert.equal(settled.duplicates, 1);
  assert.match(settled.findings.join(), /two versions of: pump-42 E1 2/);
});

test('a sale whose volume is not what the pump sold is wrong, and so is one that lost a zero', () => {
  const round: Sale = { boot: 'a1', seq: 1, ml: 1010, cents: 100 };
  assert.equal(volumeText(round), '1.010');
  const settled = bill([eventOf(first, { volume: '12.01' }), ...ALL.slice(1)]);
  assert.equal(settled.wrong, 1);
  assert.match(billFault(settled) ?? '', /wrong amounts/);
});

test('a sale that the pump never made is reported', () => {
  const settled = bill([...ALL, eventOf({ boot: 'a1', seq: 6, ml: 1, cents: 1 })]);
  assert.equal(settled.unknown, 1);
  assert.match(billFault(settled) ?? '', /never made/);
});

test('a hole in the numbers and a break of the order are counted', () => {
  const holed = bill([eventOf(first), eventOf(second, { seq: 3 })], [first, second]);
  assert.equal(holed.gaps, 1);
  assert.match(billFault(holed) ?? '', /never came/);
  assert.equal(bill([ALL[1] as Buffer, ALL[0] as Buffer, ...ALL.slice(2)]).orderBreaks, 1);
});

test('a bill with nothing on it is not in order', () => {
  assert.equal(billFault(bill([], [])), 'nothing was received');
});
