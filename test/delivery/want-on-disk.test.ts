/** A receipt counts as honoured once what it wants is marked on disk: a crash before that, and it is honoured after it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports.ts';
import { Life, memoryState, turn } from './life.ts';
import { started, until } from './receipt-rig.ts';

const TURNS = 20;

test('what a receipt wants is sent, though the process ended before the disk knew of it, and once', async (t) => {
  // From then on no commit begins.
  let isHeld = false;
  const clock: Clock = {
    ...systemClock,
    soon: (run) => (isHeld ? undefined : systemClock.soon(run)),
  };
  const state = memoryState();
  const { life, broker, directory } = await started(t, 20, { receipts: true, state, clock });
  const { epoch } = life.ledger.figures;
  const receipt = Buffer.from(JSON.stringify({ epoch, through: 0, want: [[5, 9]] }));
  await until(
    () => life.ledger.settlement.lives[0]?.released.size === 0,
    'the marks of what was handed over',
    () => undefined,
  );
  isHeld = true;
  life.receipts.take(receipt);
  await until(
    () => life.receipts.figures.reopened === 5,
    'the want',
    () => undefined,
  );
  for (let turns = 0; turns < TURNS; turns += 1) await turn();
  await life.crash();
  for (const wanted of [5, 0]) {
    const before = broker.delivered.length;
    const next = await Life.start(directory, { t, receipts: true, state });
    await next.connect(broker);
    next.receipts.take(receipt);
    await until(
      () =>
        next.receipts.figures.taken === 1 &&
        next.ledger.figures.unsent === 0 &&
        broker.delivered.length >= before + wanted,
      `${wanted} events again`,
      () => void next.up?.answer(100),
    );
    assert.equal(next.receipts.figures.reopened, wanted);
    await next.close();
    assert.equal(broker.delivered.length, before + wanted);
  }
});
