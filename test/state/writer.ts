/**
 * A child process that writes a counting document and says on stdout, with a synchronous write, which value is on stable
 * storage. Arguments: directory, number of writes.
 */
import { writeSync } from 'node:fs';
import { stateStore } from '../../src/platform/state-store.ts';
import { countOf, NO_LOG } from './count.ts';

const [directory = '', writes = '100'] = process.argv.slice(2);
const document = await stateStore(directory, NO_LOG).open('count', countOf, { count: 0, filler: '' });
const first = document.value.count;
writeSync(1, `begins ${first}\n`);
for (let count = first + 1; count <= first + Number(writes); count += 1) {
  // Documents of different length: a longer one leaves no old end behind a shorter one.
  await document.write({ count, filler: 'x'.repeat((count * 397) % 1500) });
  writeSync(1, `written ${count}\n`);
}
