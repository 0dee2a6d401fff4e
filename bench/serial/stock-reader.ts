/** The row `serialport`: as its own pages show it, with the parser for lines and JSON.parse. */
import { ReadlineParser, SerialPort } from 'serialport';
import { input, ready, take } from './line-count.ts';

const port = new SerialPort({ path: input.path, baudRate: 115_200 });
port.once('open', ready);
port.pipe(new ReadlineParser({ delimiter: '\n' })).on('data', (line: string) => {
  take((JSON.parse(line) as { readonly n: number }).n);
});
