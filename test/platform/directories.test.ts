/** Directories are made with what is above them; where none can be made, that is said and not tried for ever. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectory } from '../../src/platform/directories.ts';

test('what is missing is made, with the mode, and a second time is no error', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-directories-'));
  t.after(() => rm(directory, { recursive: true }));
  const deep = join(directory, 'a', 'b', 'c');
  makeDirectory(deep, 0o700);
  makeDirectory(deep, 0o700);
  for (const made of [join(directory, 'a'), deep]) assert.equal((await stat(made)).mode & 0o777, 0o700);
  await writeFile(join(directory, 'file'), '');
  assert.throws(() => makeDirectory(join(directory, 'file', 'below')), { code: 'ENOTDIR' });
});

test('a file system that makes no directories says so', () => {
  // Node.js 20's own recursive mkdir never comes back from this.
  assert.throws(() => makeDirectory('/proc/fieldpost/ledger'), { code: 'ENOENT' });
});
