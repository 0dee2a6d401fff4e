/**
 * The control's reader, a process of its own so that it can be ended: serialport as it comes, on the path given. Told a
 * situation, it works and blocks like that; it tells its parent when it is open, has had enough bytes, and is closed.
 */
import { dirname } from 'node:path';
import { SerialPort } from 'serialport';
import { blockPool, type Situation, workFor } from './situations.ts';

export type Told = 'open' | 'enough' | 'blocked' | 'closed';

const [path = ''] = process.argv.slice(2);
const tell = (what: Told): void => void process.send?.(what);

process.once('message', (situation: Situation) => {
  const port = new SerialPort({ path, baudRate: 115_200 });
  let bytes = 0;
  port.once('open', () => tell('open'));
  port.once('close', () => tell('closed'));
  // Without a listener it would end the process.
  port.on('error', () => undefined);
  port.on('data', (chunk: Buffer) => {
    workFor(situation.workMs);
    const had = bytes;
    bytes += chunk.length;
    if (had < situation.afterBytes && bytes >= situation.afterBytes) tell('enough');
  });
});
process.on('message', (order) => {
  if (order !== 'block') return;
  const unblock = blockPool(dirname(path));
  process.once('message', unblock);
  tell('blocked');
});
