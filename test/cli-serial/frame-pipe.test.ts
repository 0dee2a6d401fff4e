/** Bytes to decoded frames without a line: how times end frames, and what the beginning of a connection may hide. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FramePipe } from '../../src/cli/frame-pipe.ts';
import { sensorOfProfile, sensorOfValue } from '../../src/cli/sensor-choice.ts';

const GAP = sensorOfValue({
  id: 'gap',
  port: { path: '/dev/none' },
  framing: { type: 'gap', silence: '50ms', max: 64 },
  decode: { type: 'raw' },
  routes: [{ telemetry: { every: '1s', fields: { length: { from: 'length' } } } }],
});

const bytes = (text: string): Buffer => Buffer.from(text);
const texts = (frames: ReturnType<FramePipe['push']>): readonly (string | undefined)[] =>
  frames.map(({ record }) => record.get('hex')?.text);

test('a silence between recorded bytes ends a frame, and so does the end', () => {
  const pipe = new FramePipe(GAP);
  assert.deepEqual(texts(pipe.push(bytes('a'), 0)), []);
  assert.deepEqual(texts(pipe.push(bytes('b'), 49)), []);
  assert.deepEqual(texts(pipe.push(bytes('c'), 99)), ['6162']);
  assert.deepEqual(texts(pipe.end()), ['63']);
});

test('bytes without times are one frame to the end', () => {
  const pipe = new FramePipe(GAP);
  assert.deepEqual(texts([...pipe.push(bytes('a')), ...pipe.push(bytes('b')), ...pipe.end()]), ['6162']);
});

test('the end of a row that was cut by the opening is no row, that of a pipe is one', () => {
  const csv = sensorOfProfile('arduino-csv', { path: '/dev/none' });
  const values = (frames: ReturnType<FramePipe['push']>) => frames.map(({ record }) => record.get('temperature')?.text);
  const recorded = new FramePipe(csv);
  recorded.open(1000);
  assert.deepEqual(values(recorded.push(bytes('1.5,60\n21.5,60\n'), 1010)), ['21.5']);
  recorded.open(5000);
  assert.deepEqual(values(recorded.push(bytes('22.5,60\n'), 6000)), ['22.5']);
  assert.deepEqual(values(new FramePipe(csv).push(bytes('1.5,60\n'))), ['1.5']);
});

test('a frame torn by a lost line is not glued to what comes after it', () => {
  const pipe = new FramePipe(sensorOfProfile('arduino-json', { path: '/dev/none' }));
  pipe.open(0);
  pipe.push(bytes('{"temperature":1'), 100);
  pipe.open(200);
  assert.equal(pipe.push(bytes('2}\n{"temperature":3}\n'), 300).length, 1);
  assert.match(pipe.summary, /^1 frame decoded; 1 invalid \(1 not JSON\); 16 of 37 bytes discarded \(16 closed\)$/);
});
