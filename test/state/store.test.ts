/** Small documents on lowdb: what was written is there after a kill, a power cut, a full disk and bit rot, or an older copy is. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { buildSync } from 'esbuild';
import { Fault } from '../../src/fault.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { StateDocument } from '../../src/ports.ts';
import { cutAfter } from '../ledger/power-cut.ts';
import { parseStraceLog, STRACE_OPTIONS, type Syscall } from '../ledger/strace-log.ts';
import { testRandom } from '../rig/random.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { type Count, countOf, NO_LOG } from './count.ts';
import { makeUnreadable } from './unreadable.ts';

const WRITES = 40;
const KILLS = 15;
const CUTS = Number(process.env['FIELDPOST_CUTS'] ?? 150);
const EMPTY: Count = { count: 0, filler: '' };

const home = await mkdtemp(join(tmpdir(), 'fieldpost-state-'));
after(() => rm(home, { recursive: true, force: true }));
const writer = join(home, 'writer.mjs');
buildSync({
  entryPoints: [join(import.meta.dirname, 'writer.ts')],
  outfile: writer,
  bundle: true,
  platform: 'node',
  format: 'esm',
  logLevel: 'error',
});

function openCount(directory: string): Promise<StateDocument<Count>> {
  return stateStore(directory, NO_LOG).open('count', countOf, EMPTY);
}

function lastSaid(said: string): number {
  return Number(said.match(/(?:begins|written) (\d+)\n(?!.*(?:begins|written) \d+\n)/s)?.[1] ?? 0);
}

test('a document is there again, its newest value, also when many writes wait for each other', async (t) => {
  const directory = join(await temporaryDirectory(t), 'not/there/yet');
  const document = await openCount(directory);
  assert.deepEqual(document.value, EMPTY);
  await Promise.all(Array.from({ length: 50 }, (_, at) => document.write({ count: at + 1, filler: '' })));
  assert.equal(document.value.count, 50);
  assert.equal((await openCount(directory)).value.count, 50);
  assert.deepEqual((await readdir(directory)).sort(), ['count.json', 'count.json.old']);
});

test('kill -9 at any moment leaves the value that was said, or the one that was on its way', async (t) => {
  const directory = await temporaryDirectory(t);
  const random = testRandom(t);
  let said = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = spawn(process.execPath, [writer, directory, '1000000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Before the first write, or after one at the least, however slow the disk is.
    const moment = kill % 2 === 0 ? /begins/ : /written/;
    while (!moment.test(Buffer.concat(chunks).toString())) await once(child.stdout, 'data');
    await pause(random.between(0, 30));
    child.kill('SIGKILL');
    await once(child, 'close');
    const last = lastSaid(Buffer.concat(chunks).toString());
    assert.ok(last >= said, `went back from ${said} to ${last}`);
    const { count } = (await openCount(directory)).value;
    assert.ok(count === last || count === last + 1, `said ${last}, found ${count}`);
    said = last;
  }
  assert.ok(said >= Math.floor(KILLS / 2), `only ${said} writes`);
});

function traced(): readonly Syscall[] | undefined {
  if (spawnSync('strace', ['-V']).status !== 0) return undefined;
  const log = join(home, 'log');
  const directory = join(home, 'state');
  const args = [...STRACE_OPTIONS, '-o', log, process.execPath, writer, directory, String(WRITES)];
  if (spawnSync('strace', args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 60_000 }).status !== 0)
    return undefined;
  return parseStraceLog(spawnSync('cat', [log], { maxBuffer: 256 * 1024 * 1024 }).stdout.toString(), directory);
}

/** How far the document fell behind what was said before the cut; negative: the write under way is there. */
async function behind(
  calls: readonly Syscall[],
  count: number,
  chance: () => number,
  ignoreSync: boolean,
): Promise<number> {
  const image = cutAfter(calls, count, { chance, ignoreSync });
  const directory = join(home, 'after');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  for (const [name, bytes] of image.files) await writeFile(join(directory, name), bytes);
  const found = await openCount(directory);
  const value = found.value.count;
  await found.write({ count: value + 1, filler: '' });
  assert.equal((await openCount(directory)).value.count, value + 1, 'the next write counts');
  return lastSaid(image.said) - value;
}

test('a power cut at any moment leaves the value that was said, or the one that was on its way', async (t) => {
  const calls = traced();
  if (calls === undefined) return t.skip('strace is not there, or may not trace');
  const random = testRandom(t);
  for (let n = 0; n < CUTS; n += 1) {
    const count = random.whole(0, calls.length);
    const lost = await behind(calls, count, () => random.unit(), false);
    assert.ok(lost === 0 || lost === -1, `seed ${random.seed}, cut ${n} after call ${count}: ${lost} behind`);
  }
  let worst = 0;
  for (let n = 0; n < 30; n += 1) {
    worst = Math.max(
      worst,
      await behind(calls, random.whole(calls.length / 2, calls.length), () => random.unit(), true),
    );
  }
  assert.ok(worst > 0, 'control: on a disk that ignores syncs the model shows loss');
});

test('no flipped byte, no cut and no foreign text yields a wrong value: the older copy counts, and the bad one is kept', async (t) => {
  const directory = await temporaryDirectory(t);
  const document = await openCount(directory);
  await document.write({ count: 1, filler: 'old' });
  await document.write({ count: 2, filler: 'new' });
  const path = join(directory, 'count.json');
  const sound = await readFile(path);
  const older = await readFile(`${path}.old`);
  const damaged = [
    ...Array.from(sound.keys(), (at) => {
      const copy = Buffer.from(sound);
      copy[at] = (copy[at] ?? 0) ^ 0x04;
      return copy;
    }),
    ...Array.from(sound.keys(), (length) => sound.subarray(0, length)),
    Buffer.alloc(4096),
    Buffer.from('{"count":7,"filler":""}'),
    Buffer.alloc(2 * 1024 * 1024, 0x20),
  ];
  for (const bytes of damaged) {
    await writeFile(path, bytes);
    await writeFile(`${path}.old`, older);
    assert.deepEqual((await openCount(directory)).value, { count: 1, filler: 'old' });
    assert.deepEqual(await readFile(`${path}.bad`), Buffer.from(bytes));
  }
  await writeFile(path, 'x');
  await writeFile(`${path}.old`, 'y');
  assert.deepEqual((await openCount(directory)).value, EMPTY);
});

test('what can not be written is a fault with a code, and is written when the disk takes it again', async (t) => {
  const directory = await temporaryDirectory(t);
  const blocked = join(directory, 'state');
  await writeFile(blocked, 'a file where the directory should be');
  const document = await stateStore(blocked, NO_LOG).open('count', countOf, EMPTY);
  const isFault = (error: unknown): boolean => error instanceof Fault && error.code === 'state.disk';
  await assert.rejects(document.write({ count: 1, filler: '' }), isFault);
  assert.equal(document.value.count, 1, 'the value in memory is the new one');
  await rm(blocked);
  await document.write({ count: 2, filler: '' });
  assert.equal((await openCount(blocked)).value.count, 2);
  await assert.rejects(document.write({ count: 3, filler: 'x'.repeat(1024 * 1024) }), isFault);
  await chmod(blocked, 0o755);
  assert.equal((await openCount(blocked)).value.count, 2);
});

test('what can not be read says so, stays as it is, and counts once it can; an older copy that can be read counts at once', async (t) => {
  const directory = await temporaryDirectory(t);
  const document = await openCount(directory);
  assert.equal(await document.readAgain?.(), undefined, 'there is none');
  for (const count of [1, 2]) await document.write({ count, filler: '' });
  const disk = await makeUnreadable(directory, 'count');
  const blind = await openCount(directory);
  assert.deepEqual(blind.value, EMPTY);
  assert.match((await blind.readAgain?.()) ?? '', /can not be read: ELOOP/);
  assert.ok(await disk.isUntouched());
  await disk.restore();
  assert.equal(await blind.readAgain?.(), undefined);
  assert.equal(blind.value.count, 2);

  await makeUnreadable(directory, 'count');
  await rm(join(directory, 'count.json.old'));
  await rename(join(directory, 'count.json.old.kept'), join(directory, 'count.json.old'));
  const older = await openCount(directory);
  assert.deepEqual([older.value.count, await older.readAgain?.()], [1, undefined]);
});

test('on a file system that is read-only a document is read as it is', async (t) => {
  const directory = join(home, 'mounted');
  await mkdir(directory);
  const mount = (...args: string[]): boolean => spawnSync('mount', [...args, directory]).status === 0;
  if (!mount('-t', 'tmpfs', 'tmpfs')) return t.skip('needs the right to mount a tmpfs');
  t.after(() => spawnSync('umount', ['-l', directory]));
  await (await openCount(directory)).write({ count: 7, filler: '' });
  assert.ok(mount('-o', 'remount,ro'));
  const document = await openCount(directory);
  assert.deepEqual([document.value.count, await document.readAgain?.()], [7, undefined]);
  await assert.rejects(document.write({ count: 8, filler: '' }));
  assert.ok(mount('-o', 'remount,rw'));
  await document.write({ count: 9, filler: '' });
  assert.equal((await openCount(directory)).value.count, 9);
});
