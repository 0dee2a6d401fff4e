/** The output's files over kills: what a start finds, makes whole, syncs and knows. On a real directory. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readEvent, type ReceivedEvent } from '../../src/collect/event-text.ts';
import { Store } from '../../src/collect/store.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { device, keptLines, openDesk } from './rig.ts';

function read(text: string): ReceivedEvent {
  const found = readEvent('pump-42', Buffer.from(text));
  assert.ok(found.kind === 'event');
  return found.event;
}

function openStore(t: TestContext, out: string): Store {
  const store = new Store(out);
  store.open();
  t.after(() => store.close());
  return store;
}

const had = (store: Store): unknown => store.index('pump-42', 'A1').had.intervals();

/** Events 1 to `count`. */
function events(count: number): readonly string[] {
  const make = device('pump-42', 'A1');
  return Array.from({ length: count }, (_, at) => make(at + 1).toString());
}

test('a day file that is older by name is made whole after a kill too: the clock was ahead once', async (t) => {
  const out = await temporaryDirectory(t);
  const texts = events(6);
  const [first, second, third, fourth, fifth] = texts.map(read);
  assert.ok(first && second && third && fourth && fifth);
  const killed = openStore(t, out);
  await killed.append([first], '2027-01-01');
  await killed.append([second, third], '2026-11-27');
  // The kill comes when the line of 4 is synced and not in the index, and half of that of 5 is written.
  const torn = `${texts[3]}\n${texts[4]?.slice(0, 60)}`;
  await appendFile(join(out, '2026-11-27.ndjson'), torn);
  const store = openStore(t, out);
  assert.deepEqual(had(store), [[1, 4]]);
  await store.append([fifth], '2026-11-27');
  assert.deepEqual(await keptLines(out), [2, 3, 4, 5, 1]);
});

test('an output of before the files were marked is made whole in all of them', async (t) => {
  const out = await temporaryDirectory(t);
  const texts = events(4);
  await writeFile(join(out, '2026-11-27.ndjson'), `${texts[0]}\n${texts[1]}\n{"v":1,"dev`);
  await writeFile(join(out, '2027-01-01.ndjson'), `${texts[2]}\n${texts[3]}\n{"v":1`);
  assert.deepEqual(had(openStore(t, out)), [[1, 4]]);
  assert.deepEqual(await keptLines(out), [1, 2, 3, 4]);
});

test('a power cut that takes the index back costs nothing of what was written', async (t) => {
  const out = await temporaryDirectory(t);
  const killed = openStore(t, out);
  const all = events(5).map(read);
  await killed.append(all.slice(0, 2), '2026-11-26');
  // The index is synced before the next file begins.
  const synced = await readFile(join(out, 'pump-42@A1.sha256'));
  await killed.append(all.slice(2), '2026-11-27');
  await writeFile(join(out, 'pump-42@A1.sha256'), synced.subarray(0, 64));
  const store = openStore(t, out);
  assert.deepEqual(had(store), [[1, 5]]);
});

test('a file larger than what is read at once, with a line that is none of ours, is read by pieces', async (t) => {
  const out = await temporaryDirectory(t);
  const texts = events(3);
  // 3 GiB, nearly all of it a hole: more than Node.js reads into one buffer.
  const file = await open(join(out, '2026-11-27.ndjson'), 'w');
  await file.write(`${texts[0]}\n`);
  await file.write(`\n${texts[1]}\n${texts[2]}\n{"torn`, 3 * 1024 ** 3);
  await file.close();
  const store = openStore(t, out);
  assert.deepEqual(had(store), [[1, 3]]);
  await rm(join(out, '2026-11-27.ndjson'));
});

test('a line that is none of ours is passed over to its end', async (t) => {
  const out = await temporaryDirectory(t);
  const [first, second] = events(2);
  // Behind exactly one piece of reading stands what would be an event if it began a line.
  await writeFile(join(out, '2026-11-27.ndjson'), `${'x'.repeat(1024 * 1024)}${first}\n${second}\n`);
  assert.deepEqual(had(openStore(t, out)), [[2, 2]]);
});

test('lines are found whole wherever the pieces of reading end', async (t) => {
  const out = await temporaryDirectory(t);
  const make = device('pump-42', 'A1');
  // Pieces are 1 MiB; these lines end at every place of one.
  const texts = Array.from({ length: 300 }, (_, at) => make(at + 1, { raw: 'x'.repeat(7000 + at * 31) }).toString());
  await writeFile(join(out, '2026-11-27.ndjson'), texts.map((text) => `${text}\n`).join(''));
  assert.deepEqual(had(openStore(t, out)), [[1, 300]]);
});

test('an index that is nearly all empty, of one high sequence, is read as it was written', async (t) => {
  const out = await temporaryDirectory(t);
  const killed = openStore(t, out);
  await killed.append([read(device('pump-42', 'A1')(20_000_000).toString())], '2026-11-27');
  assert.deepEqual(had(openStore(t, out)), [[20_000_000, 20_000_000]]);
});

test('forks are kept once each, over restarts and kills, and told from repeats', async (t) => {
  const out = await temporaryDirectory(t);
  const lines = async (): Promise<string[]> =>
    (await readFile(join(out, 'forks.ndjson'), 'utf8')).split('\n').filter(Boolean);
  const text = (kind: string): Buffer => device('pump-42', 'A1')(1, { type: kind });
  const first = await openDesk(t, out);
  for (const kind of ['own', 'b', 'b', 'c', 'own', 'b']) first.collector.take('pump-42', 'up/event/sale', text(kind));
  await first.collector.flush();
  for (const kind of ['b', 'c', 'd', 'd']) first.collector.take('pump-42', 'up/event/sale', text(kind));
  await first.collector.flush();
  assert.deepEqual([first.collector.figures.forks, first.collector.figures.repeats, (await lines()).length], [3, 6, 3]);
  assert.equal(first.happened.at(-1), 'release');

  // Killed when the line of a fourth was synced and a fifth half written; and a power cut took the indexes back.
  await appendFile(join(out, 'forks.ndjson'), `${text('e').toString()}\n${text('f').toString('utf8', 0, 50)}`);
  for (const copy of [2, 3, 4]) await writeFile(join(out, `pump-42@A1.${copy}.sha256`), '');
  const second = await openDesk(t, out);
  for (const kind of ['own', 'b', 'c', 'd', 'e', 'f']) second.collector.take('pump-42', 'up/event/sale', text(kind));
  await second.collector.flush();
  assert.deepEqual([second.collector.figures.forks, second.collector.figures.repeats], [1, 5]);
  assert.deepEqual(
    (await lines()).map((line) => (JSON.parse(line) as { type: string }).type),
    ['b', 'c', 'd', 'e', 'f'],
  );
  assert.deepEqual(second.collector.devices[0]?.book.epochs, ['A1']);
  assert.deepEqual(await keptLines(out), [1]);
});

test('a fork that can not be written is not acknowledged, and ends the collector', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector, happened } = await openDesk(t, out);
  const make = (kind: string): Buffer => device('pump-42', 'A1')(1, { type: kind });
  collector.take('pump-42', 'up/event/sale', make('own'));
  await collector.flush();
  happened.length = 0;
  await mkdir(join(out, 'forks.ndjson'));
  collector.take('pump-42', 'up/event/sale', make('fork'));
  await assert.rejects(collector.flush(), /EISDIR/);
  assert.ok(!happened.includes('release'), happened.join('\n'));
});

test('contents of one identity are bounded, and what is over is kept as unreadable', async (t) => {
  const out = await temporaryDirectory(t);
  const { collector } = await openDesk(t, out);
  for (let at = 1; at <= 10; at += 1)
    collector.take('pump-42', 'up/event/sale', device('pump-42', 'A1')(1, { type: `t${at}` }));
  await collector.flush();
  const { stored, forks, unreadable, dropped } = collector.figures;
  assert.deepEqual([stored, forks, unreadable, dropped], [1, 7, 2, 0]);
  assert.match(await readFile(join(out, 'unreadable.ndjson'), 'utf8'), /is one content too many of A1 1/);
});

test('a full file of what nobody can read is told once, and counted; moved away, it begins anew', async (t) => {
  const out = await temporaryDirectory(t);
  const path = join(out, 'unreadable.ndjson');
  await writeFile(path, 'x'.repeat(16 * 1024 * 1024));
  const { collector, happened } = await openDesk(t, out);
  const nonsense = async (): Promise<void> => {
    collector.take('pump-42', 'up/event/sale', Buffer.from('nonsense'));
    await collector.flush();
  };
  await nonsense();
  await nonsense();
  assert.deepEqual([collector.figures.unreadable, collector.figures.dropped], [2, 2]);
  assert.equal(happened.filter((line) => line.includes('unreadable.ndjson is full')).length, 1);
  await rename(path, `${path}.1`);
  await nonsense();
  assert.deepEqual([collector.figures.unreadable, collector.figures.dropped], [3, 2]);
  assert.match(await readFile(path, 'utf8'), /^\{"device":"pump-42","reason":"is no JSON"/);
});

test('what a killed process never synced is synced before it is believed', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace');
  const out = await temporaryDirectory(t);
  for (const [at, name] of ['2026-11-27.ndjson', 'forks.ndjson'].entries())
    await writeFile(join(out, name), `${events(2)[at]}\n`);
  const store = new URL('../../src/collect/store.ts', import.meta.url).href;
  const script = `const { Store } = await import(${JSON.stringify(store)}); const store = new Store(${JSON.stringify(out)}); store.open(); await store.append([], '2026-11-28');`;
  const trace = join(out, 'trace');
  const strace = ['-f', '-qq', '-y', '-o', trace, '-e', 'trace=fsync,pread64'];
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
  const ran = spawnSync('strace', [...strace, ...node], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(ran.status, 0, ran.stderr);
  const calls = (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes(out));
  for (const name of ['2026-11-27.ndjson', 'forks.ndjson']) {
    const first = calls.find((line) => line.includes(name));
    assert.match(first ?? '', /fsync\(/, calls.join('\n'));
  }
  const synced = calls.filter((line) => line.includes('fsync(')).map((line) => /<([^>]*)>/.exec(line)?.[1] ?? '');
  assert.ok(synced.includes(out), 'the directory is not synced');
  // The mark says that the indexes have all before it.
  const [index, mark] = ['pump-42@A1.sha256', 'writing.json.new'].map((name) => synced.indexOf(join(out, name)));
  assert.ok(index !== undefined && mark !== undefined && index >= 0 && index < mark, synced.join('\n'));
});
