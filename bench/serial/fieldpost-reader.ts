/** The row `fieldpost`: the product's line and decoder, decimals kept exact. */
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { parseJson } from '../../src/platform/json.ts';
import { lineOpener } from '../../src/platform/lines.ts';
import { decoderOf } from '../../src/sensor/decoder.ts';
import { lineFactory } from '../../src/serial/line.ts';
import { complaining } from '../rig/product.ts';
import { input, ready, take } from './line-count.ts';

const decode = decoderOf({ type: 'json' }, parseJson);
const opener = lineOpener(systemClock);

lineFactory({ opener, clock: systemClock, chance: systemChance, log: complaining })({
  sensor: 'meter',
  port: { kind: 'tty', path: input.path, baudRate: 115_200, dataBits: 8, parity: 'none', stopBits: 1 },
  framing: { type: 'line', delimiter: '\n', max: 512 },
  dropsTorn: false,
  events: {
    up: ready,
    down: () => process.exit(1),
    frame: (_, _bytes, body) => {
      const decoded = decode(body);
      if (decoded.kind === 'record') take(Number(decoded.record.get('n')?.text));
    },
    discarded: () => undefined,
  },
}).start();
