/**
 * A child process that appends sales to a ledger and says on stdout, with a synchronous write, what became of each:
 * `accepted <sale> <seq>`, `refused <sale> <code>`, `released <seq>`. Arguments: directory, number of sales, first sale.
 */
import { writeSync } from 'node:fs';
import { openLedger, sale } from './rig.ts';

const [directory = '', count = '100', first = '1'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const ledger = await openLedger(directory, { segmentBytes: 16 * 1024 });
ledger.onCommit(({ marks }) => {
  for (const { kind, ranges } of marks) {
    if (kind !== 'released') continue;
    for (const [from, through] of ranges) for (let seq = from; seq <= through; seq += 1) say(`released ${seq}`);
  }
});
const from = Number(first);
const next = { number: from };
async function produce(): Promise<void> {
  while (next.number < from + Number(count)) {
    const number = next.number;
    next.number += 1;
    const result = await ledger.append(sale(number));
    if (result.kind === 'accepted') {
      say(`accepted ${number} ${result.seq}`);
      ledger.release(1, result.seq);
      if (number % 2 === 0) ledger.handOver(1, result.seq);
    } else say(`${result.kind} ${number} ${result.kind === 'refused' ? result.code : ''}`);
  }
}
say('ready');
await Promise.all([produce(), produce(), produce()]);
await ledger.close();
