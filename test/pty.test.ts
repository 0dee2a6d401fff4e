/** The pseudo-terminal that tests, the demo and virtual meters stand on. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { openPty } from '../src/platform/pty.ts';
import { canHangUp, ptyFor, until } from './serial-rig.ts';

test('every byte passes unchanged both ways', async (t) => {
  const pty = await ptyFor(t);
  const every = Buffer.from(Array.from({ length: 256 }, (_, code) => code));
  const tty = await open(pty.path, 'r+');
  t.after(() => tty.close());

  const up: Buffer[] = [];
  pty.onBytes((bytes) => up.push(bytes));
  await tty.write(every);
  await until(() => Buffer.concat(up).length >= 256, 'the bytes at the far end');
  assert.deepEqual(Buffer.concat(up), every);

  await pty.write(every);
  const down = Buffer.alloc(256);
  for (let got = 0; got < 256; ) got += (await tty.read(down, got, 256 - got, null)).bytesRead;
  assert.deepEqual(down, every);
});

test('it carries more than 1 MB/s', async (t) => {
  const pty = await ptyFor(t);
  let got = 0;
  const reader = createReadStream(pty.path);
  reader.on('data', (chunk) => {
    got += chunk.length;
  });
  const startedMs = performance.now();
  await pty.write(Buffer.alloc(4 << 20, 'x'));
  await until(() => got >= 4 << 20, '4 MiB');
  const rate = got / ((performance.now() - startedMs) / 1000);
  t.diagnostic(`${(rate / 1e6).toFixed(1)} MB/s`);
  assert.ok(rate > 1e6);
  reader.on('error', () => undefined);
  await pty.close();
});

test('a hang-up ends the reader and leaves the path to be opened again', {
  skip: !canHangUp && 'needs root',
}, async (t) => {
  const pty = await ptyFor(t);
  const ends: string[] = [];
  let got = 0;
  const reader = createReadStream(pty.path);
  reader.on('data', (chunk) => {
    got += chunk.length;
  });
  reader.on('end', () => ends.push('end'));
  reader.on('error', (error) => ends.push(error.message));
  await pty.write('before');
  await until(() => got > 0, 'bytes before the hang-up');
  await pty.hangUp();
  await until(() => ends.length > 0, 'the end of the old reader');
  const tty = await open(pty.path, 'r+');
  t.after(() => tty.close());
  await pty.write('after');
  const { buffer, bytesRead } = await tty.read(Buffer.alloc(16), 0, 16, null);
  assert.equal(buffer.toString('latin1', 0, bytesRead), 'after');
});

test('closed, it is gone, and writing to it fails', async () => {
  const pty = await openPty();
  await pty.close();
  await assert.rejects(() => pty.write('x'), { code: 'line.closed' });
});

test('without perl it says so', async () => {
  const { PATH } = process.env;
  process.env['PATH'] = '/nonexistent';
  try {
    await assert.rejects(() => openPty(), { code: 'line.open', message: /perl.*ENOENT/ });
  } finally {
    process.env['PATH'] = PATH;
  }
});
