/** A few faults of each row of the crash matrix that is not of kills at random moments: disks, clocks, packets, steps. */
import { test } from 'node:test';
import { ROWS } from './crash/matrix.ts';
import { assertRow } from './crash/sample.ts';

/** Faults in each. */
const FAULTS: Readonly<Record<string, number>> = {
  'broker-snapshot': 2,
  steps: 6,
  answer: 6,
  packets: 4,
  'packets-3.1.1': 2,
  power: 2,
  'power-model': 20,
  'disk-full': 2,
  'disk-error': 4,
  clock: 2,
  'ledger-gone': 1,
  'ledger-read-only': 1,
};

for (const row of ROWS) {
  const faults = FAULTS[row.name];
  if (faults === undefined) continue;
  test(`nothing is lost and nothing is doubled: ${row.title}`, async (t) => {
    await assertRow(t, row, faults);
  });
}
