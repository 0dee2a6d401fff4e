import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fill, listAll, makeSample, SEGMENT_BYTES, segmentNames } from './sample.ts';
import { appendSales, openLedger, temporaryDirectory } from './rig.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

async function fieldpost(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'ledger', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const [status] = (await once(child, 'close')) as [number];
  return { status, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

test('list gives the literal bytes, a table with what became of each event, and a range', async () => {
  const sample = await makeSample(60, true);
  const whole = await fieldpost('list', '--dir', sample.directory, '--json');
  assert.equal(whole.status, 0);
  assert.equal(whole.out, [...sample.events.values()].map((payload) => `${payload.toString()}\n`).join(''));
  const part = await fieldpost('list', '--dir', sample.directory, '--json', '--from', '10', '--through', '12');
  assert.deepEqual(
    part.out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
    [10, 11, 12],
  );
  const table = await fieldpost('list', '--dir', sample.directory);
  const rows = table.out.trimEnd().split('\n');
  assert.equal(rows.length, 62);
  assert.match(rows[17] ?? '', /^\w{8} +17 .* sale +delivery +pump +dead$/);
  assert.match(rows[3] ?? '', /handed$/);
  assert.match(rows[61] ?? '', /unsent$/);
  await rm(join(sample.directory, '..'), { recursive: true });
});

test('verify passes a sound ledger, and names the first bad sequence of a damaged one', async () => {
  const sample = await makeSample(60, true);
  const sound = await fieldpost('verify', '--dir', sample.directory, '--json');
  assert.equal(sound.status, 0, sound.out + sound.err);
  assert.equal((JSON.parse(sound.out) as { events: number }).events, 61);
  const payload = sample.events.get(40) as Buffer;
  for (const name of await segmentNames(sample.directory)) {
    const bytes = await readFile(join(sample.directory, name));
    const at = bytes.indexOf(payload);
    if (at < 0) continue;
    bytes[at + 20] = (bytes[at + 20] as number) ^ 1;
    await writeFile(join(sample.directory, name), bytes);
  }
  const damaged = await fieldpost('verify', '--dir', sample.directory, '--json');
  assert.equal(damaged.status, 1);
  const verdict = JSON.parse(damaged.out) as { ok: boolean; first_bad: { epoch: string; seq: number } };
  assert.deepEqual([verdict.ok, verdict.first_bad], [false, { epoch: sample.epoch, seq: 40 }]);
  const text = await fieldpost('verify', '--dir', sample.directory);
  assert.match(text.out, /damaged, first at \w{8} seq 40/);
  const stat = await fieldpost('stat', '--dir', sample.directory, '--json');
  assert.equal(stat.status, 0);
  const facts = JSON.parse(stat.out) as { last: number; unsent: number; dead: number; session: { generation: number } };
  assert.deepEqual([facts.last, facts.unsent, facts.dead, facts.session.generation], [61, 12, 1, 2]);
  await rm(join(sample.directory, '..'), { recursive: true });
});

test('looking works beside a running agent, writes nothing, and takes no moving tail for damage', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES });
  await fill(ledger, 40);
  let going = true;
  t.after(() => {
    going = false;
  });
  const running = (async () => {
    for (let from = 100; going && from < 20_000; from += 20) await appendSales(ledger, from, from + 19);
  })();
  for (let n = 0; n < 3; n += 1) {
    const { status, out, err } = await fieldpost('verify', '--dir', directory, '--json');
    assert.equal(status, 0, out.slice(0, 2000) + err);
    assert.ok((JSON.parse(out) as { events: number }).events > 40);
  }
  going = false;
  await running;
  await ledger.close();
  const before = await readdir(directory);
  await fieldpost('list', '--dir', directory);
  assert.deepEqual(await readdir(directory), before);
  assert.equal((await listAll(directory)).length > 100, true);
});

test('a wrong command line is 64, a directory that is no ledger is 74', async (t) => {
  assert.equal((await fieldpost('list')).status, 64);
  assert.equal((await fieldpost('lost', '--dir', '/')).status, 64);
  assert.equal((await fieldpost('list', '--dir', '/nowhere/at/all')).status, 74);
  assert.equal((await fieldpost('verify', '--dir', await temporaryDirectory(t))).status, 74);
});

test('a copy of the directory made while the agent runs can be verified elsewhere', async (t) => {
  const sample = await makeSample(30, false);
  const copy = await mkdtemp(join(tmpdir(), 'fieldpost-copy-'));
  t.after(() => rm(copy, { recursive: true, force: true }));
  await cp(sample.directory, copy, { recursive: true });
  assert.equal((await fieldpost('verify', '--dir', copy)).status, 0);
  await rm(join(sample.directory, '..'), { recursive: true });
});
