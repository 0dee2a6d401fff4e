/** `sensor.capture`: bytes of a line beside its decoding, bounded, on a line in the test's hand. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { captureCommand } from '../../src/command/capture.ts';
import type { Document } from '../../src/command/command.ts';
import type { LineListener, LineOpener, PortSpec } from '../../src/ports-line.ts';
import { LineTaps } from '../../src/serial/line-taps.ts';
import { HandClock } from '../sensor-rig.ts';
import { asker, notWanted } from './asker.ts';

const PORT = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const satisfies PortSpec;
const OTHER: PortSpec = { ...PORT, port: 2 };

async function bench() {
  const clock = new HandClock();
  const listeners: LineListener[] = [];
  const opener: LineOpener = {
    open: (_spec, listener) => {
      listeners.push(listener);
      return Promise.resolve({
        write: () => Promise.resolve(),
        setBaudRate: () => Promise.resolve(),
        close: () => Promise.resolve(),
      });
    },
  };
  const taps = new LineTaps(opener);
  const decoded: Buffer[] = [];
  await taps.open(PORT, { bytes: (chunk) => void decoded.push(chunk), closed: () => undefined });
  await taps.open(OTHER, { bytes: () => undefined, closed: () => undefined });
  const told: Document[] = [];
  const command = captureCommand({
    clock,
    sensors: [{ id: 'pump', state: () => ({ state: 'stale', why: 'no valid frame yet' }) }],
    tap: (_sensor, take) => taps.tap(PORT, take),
  });
  const ask = asker([command], notWanted, (members) => Promise.resolve(void told.push(members)));
  return { clock, ask, told, decoded, say: (chunk: Buffer, at = 0) => listeners[at]?.bytes(chunk) };
}

const CAPTURE = 'sensor.capture';

test('what comes over the line is answered with its times, and the decoder gets the same bytes', async () => {
  const { clock, ask, say, decoded } = await bench();
  say(Buffer.from('before'));
  const answer = ask(CAPTURE, { sensor: 'pump', seconds: 2 });
  say(Buffer.from('ab'));
  say(Buffer.from('another line'), 1);
  clock.pass(500);
  const chunk = Buffer.from([0xff, 0x00]);
  say(chunk);
  chunk.fill(7);
  clock.pass(1500);
  const result = (await answer) as Record<string, unknown>;
  assert.equal(result['data'], Buffer.from([0x61, 0x62, 0xff, 0x00]).toString('base64'));
  assert.deepEqual([result['received'], result['lasted_ms'], result['state']], [4, 2000, 'stale']);
  assert.deepEqual(result['pieces'], [
    [0, 2],
    [500, 2],
  ]);
  say(Buffer.from('after'));
  assert.equal(decoded.length, 4);
  assert.equal(clock.timers, 0);
});

test('a capture ends with its bytes, and a line that never rests fills no memory', async () => {
  const { clock, ask, say } = await bench();
  const answer = ask(CAPTURE, { sensor: 'pump', bytes: 3 });
  say(Buffer.from('abcdef'));
  say(Buffer.from('gh'));
  const { data, received } = (await answer) as { data: string; received: number };
  assert.deepEqual([Buffer.from(data, 'base64').toString(), received, clock.timers], ['abc', 3, 0]);
});

test('beyond 64 KiB the bytes come in pieces, each with its hash, and the answer says what they come to', async () => {
  const { ask, say, told } = await bench();
  const answer = ask(CAPTURE, { sensor: 'pump', bytes: 200_000 });
  for (let at = 0; at < 300; at += 1) say(Buffer.alloc(1000, at % 251));
  const result = (await answer) as Record<string, unknown>;
  assert.deepEqual([result['data'], result['bytes'], result['chunks'], told.length], [undefined, 200_000, 7, 7]);
  const parts = told.map(({ chunk }) => chunk as { index: number; of: number; data: string; sha256: string });
  for (const [index, part] of parts.entries()) {
    assert.deepEqual([part.index, part.of], [index, 7]);
    assert.equal(part.sha256, createHash('sha256').update(Buffer.from(part.data, 'base64')).digest('hex'));
  }
  const whole = Buffer.concat(parts.map(({ data }) => Buffer.from(data, 'base64')));
  assert.equal(createHash('sha256').update(whole).digest('hex'), result['sha256']);
  assert.deepEqual([whole.length, whole[199_999]], [200_000, 199]);
});

test('what comes byte by byte is held in a few times its bytes, and whole', async () => {
  const bytes = 1024 * 1024;
  let take: (chunk: Buffer) => void = () => undefined;
  const command = captureCommand({
    clock: new HandClock(),
    sensors: [{ id: 'pump', state: () => ({ state: 'ok', why: '' }) }],
    tap: (_sensor, listen) => {
      take = listen;
      return { cancel: () => undefined };
    },
  });
  const answer = asker([command])(CAPTURE, { sensor: 'pump', bytes });
  const before = memoryHeld();
  for (let at = 0; at < bytes - 1; at += 1) take(Buffer.of(at % 251));
  const held = memoryHeld() - before;
  take(Buffer.of((bytes - 1) % 251));
  const { sha256 } = (await answer) as { sha256: string };
  const expected = Buffer.from(Array.from({ length: bytes }, (_, at) => at % 251));
  assert.equal(sha256, createHash('sha256').update(expected).digest('hex'));
  // A Buffer for each byte took 200 times as much.
  assert.ok(held < 16 * bytes, `${held} bytes for ${bytes}`);
});

/** What nothing refers to any more is let go first. */
function memoryHeld(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('one capture of a sensor at a time; afterwards the next', async () => {
  const { clock, ask } = await bench();
  const first = ask(CAPTURE, { sensor: 'pump' });
  assert.equal(await ask(CAPTURE, { sensor: 'pump' }), 'a capture of pump is under way');
  clock.pass(10_000);
  await first;
  const third = ask(CAPTURE, { sensor: 'pump', seconds: 1 });
  clock.pass(1000);
  assert.equal(((await third) as { received: number }).received, 0);
});

test('what can not be captured is told', async () => {
  const { ask } = await bench();
  assert.equal(await ask(CAPTURE, { sensor: 'x' }), 'there is no sensor x; there are pump');
  assert.match(
    String(await ask(CAPTURE, { sensor: 'pump', seconds: 301 })),
    /seconds: must be a whole number, 1 to 300/,
  );
  assert.match(String(await ask(CAPTURE, { sensor: 'pump', bytes: 0 })), /bytes: must be a whole number, 1 to 1048576/);
  assert.match(String(await ask(CAPTURE, { sensor: 'pump', seconds: '5' })), /seconds: must be number, got "5"/);
});
