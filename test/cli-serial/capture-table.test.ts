/** What a capture shows while it runs, and that it draws it in place on a terminal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaptureTable } from '../../src/cli/capture-table.ts';
import { readingsText } from '../../src/cli/reading-text.ts';
import { ptyFor, until } from '../serial-rig.ts';
import { directory, PROGRAM, simulate } from './rig.ts';

const HEAD = { port: '/dev/ttyUSB0', bytes: 500, frames: 10, trouble: '' };

test('the newest value of each name, how often it came and how old it is', () => {
  const table = new CaptureTable(1000);
  table.take([{ name: 'power', value: 498, unit: 'W' }], 2000);
  table.take([{ name: 'power', value: 501, unit: 'W' }], 10_000);
  table.take([{ name: 'tariff', value: 'low', unit: undefined }], 10_500);
  const lines = table.lines(HEAD, 11_000, 20, 80);
  assert.deepEqual(lines, [
    '/dev/ttyUSB0  10 s  500 bytes (50/s)  10 frames (1.0/s)',
    `power   ${'501 W'.padEnd(20)}     0.2/s  1.0 s ago`,
    `tariff  ${'low'.padEnd(20)}     0.1/s  0.5 s ago`,
  ]);
});

test('the table keeps to the terminal and to its bound, whatever a sensor sends', () => {
  const table = new CaptureTable(0);
  for (let count = 0; count < 10_000; count += 1) {
    table.take([{ name: `name${count}`, value: '\u001b[2J\u0007'.repeat(50), unit: '\u009b' }], count);
  }
  const lines = table.lines({ ...HEAD, trouble: 'invalid 3' }, 10_000, 12, 40);
  assert.equal(lines.length, 12);
  assert.equal(lines[1], 'invalid 3');
  assert.equal(lines.at(-1), 'and 191 more');
  assert.ok(lines.every((line) => line.length <= 40 && !/\p{Cc}/u.test(line)));
});

test('a device does not steer the terminal through a reading', () => {
  const text = readingsText([{ name: 'a', value: 'x\u001b[31my\r', unit: undefined }], 0, false);
  assert.equal(text, '00:00:00.000  a x?[31my?\n');
});

test('on a terminal the table is drawn over itself', async (t) => {
  const screen = await ptyFor(t);
  let drawn = '';
  screen.onBytes((bytes) => {
    drawn += bytes.toString();
  });
  const { where } = await simulate(t, ['dsmr5', '--every', '100ms']);
  const file = openSync(screen.path, constants.O_RDWR | constants.O_NOCTTY);
  const args = ['capture', '--port', where, '--profile', 'dsmr5', '--out', join(directory(t), 'capture')];
  const child = spawn(process.execPath, [...PROGRAM, ...args], { stdio: ['ignore', file, 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  closeSync(file);
  const drawings = (): readonly string[] => drawn.split('\u001b[J').filter((part) => part.includes('voltage_l1'));
  await until(() => drawings().length >= 3, 'three drawings of the table', 60_000);
  assert.match(drawings()[1] ?? '', /^\/dev\/pts\/\d+ .* frames .*\r?\n/);
  assert.match(drawings()[1] ?? '', /\u001b\[\d+A$/);
});
