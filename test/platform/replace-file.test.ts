/** A file that is put in the place of another, on a disk that takes only a part of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../rig/temp.ts';

const MODULE = new URL('../../src/platform/replace-file.ts', import.meta.url).href;
const PROGRAM = `
  const { replaceFile } = await import(${JSON.stringify(MODULE)});
  replaceFile(process.argv[1], 'x'.repeat(20_000));
`;

test('a text of which the system writes a part only is an error, and the file stays as it was', async (t) => {
  const path = join(await temporaryDirectory(t), 'device.json');
  await writeFile(path, 'as it was');
  // A limit on the size of files: as on a disk that is all but full, the first write takes 4096 bytes and says so.
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', PROGRAM, path];
  const { status, stderr } = spawnSync('sh', ['-c', 'ulimit -f 8 && exec "$@"', 'sh', ...node], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal((await readFile(path, 'utf8')).slice(0, 20), 'as it was');
  assert.equal(status, 1);
  assert.match(stderr, /EFBIG/);
});
