import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildSync } from 'esbuild';
import { cutAfter, type CutOptions } from './power-cut.ts';
import { openLedger, sale } from './rig.ts';
import { listAll, seeded, SEGMENT_BYTES, verifyDirectory } from './sample.ts';
import { parseStraceLog, STRACE_OPTIONS, type Syscall } from './strace-log.ts';

const SEED = Number(process.env['FIELDPOST_SEED'] ?? Math.floor(Math.random() * 1e9));
const CUTS = Number(process.env['FIELDPOST_CUTS'] ?? 150);
const SALES = 150;

const home = await mkdtemp(join(tmpdir(), 'fieldpost-power-'));
after(() => rm(home, { recursive: true, force: true }));
const calls = await traced();

/** The calls of one run of the appender, or undefined where nothing can be traced. */
async function traced(): Promise<readonly Syscall[] | undefined> {
  if (spawnSync('strace', ['-V']).status !== 0) return undefined;
  const bundle = join(home, 'appender.mjs');
  // One file and no loader: nothing but the ledger's own calls in the log.
  const entryPoints = [join(import.meta.dirname, 'appender.ts')];
  buildSync({ entryPoints, outfile: bundle, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' });
  const log = join(home, 'log');
  const directory = join(home, 'ledger');
  const args = [...STRACE_OPTIONS, '-o', log, process.execPath, bundle, directory, String(SALES)];
  const run = spawnSync('strace', args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
  if (run.status !== 0) return undefined;
  return parseStraceLog(await readFile(log, 'utf8'), directory);
}

interface Loss {
  readonly accepted: number;
  readonly lost: number;
}

/** Puts the disk of a cut into a directory and lives on: what was said before the cut must be true after it. */
async function liveOn(all: readonly Syscall[], count: number, options: CutOptions): Promise<Loss> {
  const image = cutAfter(all, count, options);
  const directory = join(home, 'after');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  for (const [name, bytes] of image.files) await writeFile(join(directory, name), bytes);
  const told = image.said.split('\n').map((line) => line.split(' '));
  const accepted = new Map(told.flatMap(([kind, n, seq]) => (kind === 'accepted' ? [[Number(seq), n ?? '']] : [])));
  const released = told.flatMap(([kind, seq]) => (kind === 'released' ? [Number(seq)] : []));

  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES });
  const life = ledger.drainingLife;
  let lost = 0;
  for (const seq of released) if (life?.released.has(seq) !== true && life?.handed.has(seq) !== true) lost += 1;
  const results = await Promise.all([7001, 7002, 7003].map((number) => ledger.append(sale(number))));
  for (const result of results) {
    assert.equal(result.kind, 'accepted');
    if (result.kind === 'accepted' && accepted.has(result.seq)) lost += 1;
  }
  await ledger.close();
  const kept = new Map<number, string>();
  for (const { seq, payload } of await listAll(directory)) {
    const { source } = JSON.parse(payload.toString()) as { source?: { seq: string } };
    kept.set(seq, source?.seq ?? '');
  }
  for (const [seq, number] of accepted) if (kept.get(seq) !== number) lost += 1;
  if (options.ignoreDurable !== true) assert.deepEqual((await verifyDirectory(directory)).problems, []);
  return { accepted: accepted.size, lost };
}

test('a power cut at any moment loses nothing that was accepted or marked', async (t) => {
  if (calls === undefined) return t.skip('strace is not there, or may not trace');
  t.diagnostic(`FIELDPOST_SEED=${SEED} FIELDPOST_CUTS=${CUTS}, ${calls.length} calls`);
  const chance = seeded(SEED);
  let accepted = 0;
  for (let n = 0; n < CUTS; n += 1) {
    const count = Math.floor(chance() * (calls.length + 1));
    try {
      const loss = await liveOn(calls, count, { chance });
      assert.equal(loss.lost, 0, `${loss.lost} of ${loss.accepted} lost`);
      accepted += loss.accepted;
    } catch (error) {
      throw new Error(`seed ${SEED}, cut ${n} after call ${count}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.ok(accepted > CUTS * 10, `${accepted} accepted over ${CUTS} cuts`);
});

test('control: a disk that does not honour O_DSYNC loses accepted events in this model', async (t) => {
  if (calls === undefined) return t.skip('strace is not there, or may not trace');
  const chance = seeded(SEED + 1);
  let lost = 0;
  for (let n = 0; n < 20; n += 1) {
    const count = Math.floor((0.3 + 0.7 * chance()) * calls.length);
    lost += (await liveOn(calls, count, { chance, ignoreDurable: true })).lost;
  }
  assert.ok(lost > 0, 'the model can show loss');
});
