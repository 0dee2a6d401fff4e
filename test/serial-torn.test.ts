/** The line supervisor on a clock of the test: which bytes may be the rest of a frame, and what is silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LineListener, LineOpener } from '../src/ports-line.ts';
import type { Framing } from '../src/serial/framing.ts';
import { type Line, lineFactory } from '../src/serial/line.ts';
import { HandClock } from './sensor-rig.ts';
import { keptLog, ttySpec, until } from './serial-rig.ts';

/** Back-off waits are a tenth of what they would be: `unit` decides. */
const chance = { unit: (): number => 0.1, bytes: (count: number): Buffer => Buffer.alloc(count) };

interface HandBench {
  readonly line: Line;
  readonly clock: HandClock;
  readonly frames: readonly string[];
  readonly downs: readonly string[];
  readonly say: (text: string) => void;
}

/** A line that has been up for a second, where half a frame could pass for one; its connection takes no baud rate. */
async function handLine(framing: Framing, port = ttySpec('/dev/fake'), upMs = 1000): Promise<HandBench> {
  const [clock, frames, downs] = [new HandClock(), [] as string[], [] as string[]];
  let listener: LineListener | undefined;
  const opener: LineOpener = {
    open: (_, ofLine) => {
      listener = ofLine;
      return Promise.resolve({
        write: () => Promise.resolve(),
        setBaudRate: () => new Promise<void>(() => undefined),
        close: () => Promise.resolve(),
      });
    },
  };
  const line = lineFactory({ opener, clock, chance, log: keptLog() })({
    sensor: 'pump',
    port,
    framing,
    dropsTorn: true,
    events: {
      up: () => undefined,
      down: (_, reason) => downs.push(reason),
      frame: (_, bytes) => frames.push(bytes.toString('latin1')),
      discarded: () => undefined,
    },
  });
  line.start();
  await until(() => line.state.kind === 'up', 'the line');
  clock.pass(upMs);
  return { line, clock, frames, downs, say: (text) => listener?.bytes(Buffer.from(text, 'latin1')) };
}

test('what is held of a line is forgotten, and its rest is no frame, however late it comes', async () => {
  const { line, clock, frames, say } = await handLine({ type: 'line', delimiter: '\n', max: 64 });
  say('55');
  line.forget(1);
  clock.pass(10);
  say('12,3\n4,5\n');
  line.forget(1);
  say('6,7\n');
  say('8');
  line.forget(1);
  clock.pass(5000);
  say('9,1\n');
  say('2,3\n');
  assert.deepEqual(frames, ['4,5', '6,7', '2,3']);
  assert.equal(line.counters.discardedBytes, 10);
});

test('what is held of a frame that silence ends is forgotten, and what comes within such a silence is its rest', async () => {
  const { line, clock, frames, say } = await handLine({ type: 'gap', silence: 200, max: 64 });
  say('55');
  line.forget(1);
  clock.pass(150);
  say('12.30');
  clock.pass(300);
  say('5512.30');
  clock.pass(300);
  assert.deepEqual(frames, ['5512.30']);
});

test('behind a serial server what comes a second after bytes were cut in two is their rest', async () => {
  const port = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;
  const { line, clock, frames, say } = await handLine({ type: 'line', delimiter: '\n', max: 64 }, port);
  line.divert(1, () => undefined);
  say('55');
  line.divert(1, undefined);
  clock.pass(900);
  say('12.30\n');
  say('5512.30\n');
  assert.deepEqual(frames, ['5512.30']);
});

test('the rest of a frame that waited while the program was held up is no frame', async () => {
  const { clock, frames, say } = await handLine({ type: 'line', delimiter: '\n', max: 64 }, ttySpec('/dev/fake'), 0);
  clock.hold(80);
  // Timers first, then what waits: as an event loop does it.
  clock.pass(0);
  say('12,3\n');
  clock.pass(10);
  say('4,5\n');
  assert.deepEqual(frames, ['4,5']);
});

test('a serial server is a round trip away: the rest of a frame may come a second after the connection', async () => {
  const port = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;
  const { clock, frames, say } = await handLine({ type: 'line', delimiter: '\n', max: 64 }, port, 0);
  clock.pass(900);
  say('12,3\n');
  say('4,5\n');
  assert.deepEqual(frames, ['4,5']);
});

test('no frame ends at a silence that nobody heard, because the program was held up', async () => {
  const { clock, frames, say } = await handLine({ type: 'gap', silence: 40, max: 64 });
  say('55');
  clock.pass(10);
  say('12');
  clock.pass(45);
  assert.deepEqual(frames, ['5512']);
  // Its rest came 15 ms after it; it is seen when the silence would have been over.
  say('55');
  clock.hold(70);
  clock.pass(0);
  say('12');
  clock.pass(45);
  assert.deepEqual(frames, ['5512'], 'neither half, nor two frames as one');
  // Held up as long, and nothing waits: there was silence.
  say('77');
  clock.hold(70);
  clock.pass(0);
  clock.pass(5);
  say('88');
  clock.pass(45);
  assert.deepEqual(frames, ['5512', '77', '88']);
});

test('two frames that came while the program was held up for less than the silence between them are not one', async () => {
  const { clock, frames, say } = await handLine({ type: 'gap', silence: 10, max: 64 });
  say('10.11');
  // The next came 20 ms later; both timer and bytes are seen after 26.
  clock.hold(26);
  say('20.22');
  clock.pass(40);
  assert.deepEqual(frames, []);
  say('30.33');
  clock.pass(40);
  assert.deepEqual(frames, ['30.33']);
});

test('what is held when the bytes are diverted is discarded, and no silence makes a frame of it', async () => {
  const { line, clock, frames, say } = await handLine({ type: 'gap', silence: 20, max: 64 });
  say('abc');
  line.divert(1, () => undefined);
  clock.pass(1000);
  line.divert(1, undefined);
  assert.deepEqual(frames, []);
  assert.equal(line.counters.discardedBytes, 3);
});

test('a device that lets nothing leave before its baud rate changes is given up after a while', async () => {
  const { line, clock, downs } = await handLine({ type: 'line', delimiter: '\n', max: 64 });
  const set = line.setBaudRate(1, 300);
  clock.pass(30_000);
  await assert.rejects(set, { code: 'line.closed', message: /took no bytes for 30000 ms/ });
  assert.deepEqual(downs, ['the device took no bytes for 30000 ms']);
});
