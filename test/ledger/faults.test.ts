import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../../src/fault.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { AppendResult, Clock } from '../../src/ports.ts';
import { faultyFiles, type FaultOp, type FileFault } from './faulty-files.ts';
import { openLedger, quietLog, sale, temporaryDirectory } from './rig.ts';
import { listAll, SEGMENT_BYTES, verifyDirectory } from './sample.ts';

const DEADLINE_MS = 10_000;

/** Fails instead of hanging. */
async function within<T>(what: string, answer: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = pause(DEADLINE_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`${what}: no answer within ${DEADLINE_MS} ms`);
  });
  timeout.catch(() => undefined);
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    late.abort();
  }
}

/** The ledger's pauses, twenty times shorter. */
const quick: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 20, run) };

interface Answers {
  readonly accepted: Map<number, number>;
  readonly refused: Set<number>;
}

/** Sales in small commits with marks between them; what was answered is kept. */
async function work(ledger: Ledger, from: number, count: number, answers: Answers): Promise<void> {
  for (let sales = from; sales < from + count; sales += 4) {
    const numbers = [sales, sales + 1, sales + 2, sales + 3];
    const results = await within('append', Promise.all(numbers.map((seq) => ledger.append(sale(seq)))));
    for (const [at, result] of results.entries()) keep(numbers[at] as number, result, answers);
    const life = ledger.drainingLife;
    const last = ledger.figures.last;
    for (let seq = Math.max(1, last - 3); life !== undefined && seq <= last; seq += 1) {
      ledger.release(life.ordinal, seq);
      if (seq % 3 !== 0) ledger.handOver(life.ordinal, seq);
    }
  }
}

function keep(number: number, result: AppendResult, { accepted, refused }: Answers): void {
  if (result.kind === 'accepted') accepted.set(number, result.seq);
  else if (result.kind === 'refused') {
    assert.ok(['ledger.disk', 'ledger.full'].includes(result.code), result.code);
    refused.add(number);
  } else assert.fail(`unexpected ${result.kind}`);
}

/** Accepted sales are in the ledger once, refused ones not at all, and the chain holds. */
async function judge(directory: string, { accepted, refused }: Answers): Promise<void> {
  const seqs = new Set<number>();
  const numbers = new Map<number, number>();
  for (const { seq, payload } of await listAll(directory)) {
    assert.ok(!seqs.has(seq), `seq ${seq} is used once`);
    seqs.add(seq);
    const { source } = JSON.parse(payload.toString()) as { source?: { seq: string } };
    if (source === undefined) continue;
    assert.ok(!numbers.has(Number(source.seq)), `sale ${source.seq} is there once`);
    numbers.set(Number(source.seq), seq);
  }
  for (const [number, seq] of accepted) assert.equal(numbers.get(number), seq, `accepted sale ${number} is there`);
  for (const number of refused)
    assert.ok(accepted.has(number) || !numbers.has(number), `refused sale ${number} is not`);
  const verdict = await verifyDirectory(directory);
  assert.deepEqual(verdict.problems, []);
}

async function survive(fault: FileFault): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-fault-'));
  const answers: Answers = { accepted: new Map(), refused: new Set() };
  const files = faultyFiles(directory, fault);
  try {
    let ledger: Ledger;
    try {
      ledger = await within('open', openLedger(directory, { files, segmentBytes: SEGMENT_BYTES, clock: quick }));
    } catch {
      // A fault while opening may refuse the start; the next start finds a sound ledger.
      files.fault = undefined;
      ledger = await within('open', openLedger(directory, { files, segmentBytes: SEGMENT_BYTES, clock: quick }));
    }
    await work(ledger, 1, 100, answers);
    const struck = files.struck > 0;
    files.fault = undefined;
    const deadline = Date.now() + DEADLINE_MS;
    for (let number = 1001; Date.now() < deadline; number += 1) {
      const result = await within('append', ledger.append(sale(number)));
      keep(number, result, answers);
      if (result.kind === 'accepted') break;
      await pause(5);
    }
    assert.ok(Math.max(...answers.accepted.keys()) > 1000, 'the ledger accepts again once the disk is well');
    await within('close', ledger.close());
    await judge(directory, answers);
    const again = await openLedger(directory, { segmentBytes: SEGMENT_BYTES });
    for (const number of answers.accepted.keys()) {
      assert.equal((await again.append(sale(number))).kind, 'repeat', `sale ${number} is known after a restart`);
    }
    await again.close();
    return struck;
  } catch (error) {
    throw new Error(`${JSON.stringify(fault)}: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const OPS: readonly FaultOp[] = ['write', 'makeZeroed', 'rename', 'openDurable', 'close', 'read', 'list', 'freeBytes'];

for (const op of OPS) {
  test(`a single failed ${op}, at any step, loses nothing that was accepted`, async () => {
    let strikes = 0;
    const last = op === 'write' ? 40 : 14;
    const kinds: FileFault['how'][] = ['before', 'after', 'torn'];
    for (const how of op === 'write' || op === 'makeZeroed' || op === 'rename' ? kinds : (['before'] as const)) {
      for (let at = 1; at <= last; at += op === 'write' && how !== 'torn' ? 3 : 1) {
        if (await survive({ op, at, error: 'EIO', how: how ?? 'before' })) strikes += 1;
      }
    }
    assert.ok(strikes >= 3, `the fault struck ${strikes} times`);
  });
}

test('a failure at any step of opening, or of the notes, costs at most that start', async () => {
  for (const op of ['lock', 'sync', 'syncDirectory', 'openNote', 'note'] as const) {
    for (let at = 1; at <= 6; at += 1) await survive({ op, at, error: 'EIO' });
  }
});

test('a disk that stays bad for a while refuses with a code, and the ledger goes on when it is well', async () => {
  for (const op of ['write', 'makeZeroed', 'rename', 'openDurable'] as const) {
    for (const at of [3, 9]) {
      for (const error of ['EIO', 'ENOSPC'] as const) await survive({ op, at, times: 8, error });
    }
  }
});

test('a session mark that can not be written is said so, and nothing waits for ever', async (t) => {
  const files = faultyFiles(await temporaryDirectory(t));
  const ledger = await openLedger('', { files });
  await ledger.append(sale(1));
  const session = { generation: 1, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' } as const;
  files.fault = { op: 'write', at: (files.calls.write ?? 0) + 1, times: 1, error: 'EIO' };
  await assert.rejects(within('mark', ledger.markSession(session)), { code: 'ledger.disk' });
  files.fault = undefined;
  await within('mark', ledger.markSession(session));
  await ledger.close();
  await assert.rejects(within('mark', ledger.markSession(session)), (error) => error instanceof Fault);
});

test('closing answers everything that waits, however much it is', async (t) => {
  const ledger = await openLedger(await temporaryDirectory(t), { segmentBytes: 1024 * 1024 });
  const raw = Buffer.alloc(20_000, 7);
  const waiting = Array.from({ length: 200 }, (_, at) => ledger.append({ ...sale(at), raw }));
  await within('close', ledger.close());
  const kinds = new Set((await within('appends', Promise.all(waiting))).map((result) => result.kind));
  assert.deepEqual([...kinds], ['accepted']);
});

test('a commit larger than a segment gets a larger segment', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES });
  const raw = Buffer.alloc(15_000, 7);
  const results = await Promise.all(Array.from({ length: 30 }, (_, at) => ledger.append({ ...sale(at), raw })));
  assert.ok(results.every((result) => result.kind === 'accepted'));
  await ledger.close();
  assert.equal((await verifyDirectory(directory)).ok, true);
});

test('the gap of a damaged place is named on a full ledger too, and the first event of an epoch is ledger.epoch', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = faultyFiles(directory, { op: 'makeZeroed', at: 1, times: 1_000_000, error: 'ENOSPC' });
  const log: string[] = [];
  const options = { files, segmentBytes: SEGMENT_BYTES, log: quietLog(log), clock: quick };
  const ledger = await openLedger(directory, options);
  const refused = await within('append', ledger.append(sale(1)));
  assert.equal(refused.kind, 'refused');
  await pause(400);
  assert.ok(log.filter((line) => line.includes('no room')).length <= 1, 'what repeats is said once');
  files.fault = undefined;
  await within(
    'accepting',
    until(async () => (await ledger.append(sale(1))).kind !== 'refused'),
  );
  await ledger.close();
  const [first] = await listAll(directory);
  assert.equal((JSON.parse(first?.payload.toString() ?? '{}') as { type: string }).type, 'ledger.epoch');
});

async function until(done: () => Promise<boolean>, everyMs = 20): Promise<void> {
  while (!(await done())) await pause(everyMs);
}

/** A file system of a few megabytes, or why there can be none. */
async function smallDisk(t: TestContext, megabytes: number): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-full-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
  if (mounted.status !== 0) {
    await rm(directory, { recursive: true });
    return undefined;
  }
  t.after(async () => {
    spawnSync('umount', [directory]);
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

test('on a disk that is really full appends are refused, marks are still kept, and freed room is used', async (t) => {
  const disk = await smallDisk(t, 12);
  if (disk === undefined) return t.skip('needs root and a tmpfs mount');
  const directory = join(disk, 'ledger');
  await mkdir(directory);
  const ledger = await openLedger(directory, { segmentBytes: 256 * 1024, maxBytes: 1024 ** 3, clock: quick });
  const answers: Answers = { accepted: new Map(), refused: new Set() };
  await within(
    'spare',
    until(async () => (await readdir(directory)).includes('spare')),
  );
  await pause(100);
  const { bavail, bsize } = await statfs(disk);
  await writeFile(join(disk, 'other'), Buffer.alloc(bavail * bsize - 1_200_000));
  let number = 0;
  await within(
    'fill',
    until(async () => {
      number += 1;
      const result = await ledger.append(sale(number));
      keep(number, result, answers);
      return result.kind === 'refused';
    }, 0),
  );
  const refusing = ledger.figures.refusing;
  assert.equal(refusing?.code, 'ledger.disk');
  // Some thousand commits of marks: more than the tail of the segment, less than the reserve.
  const last = ledger.figures.last;
  let committed = 0;
  ledger.onCommit(({ marks }) => void (committed += marks.length));
  // The first segment keeps an event that is not handed over, so that nothing may be dropped to make room.
  for (let seq = 3; seq <= last; seq += 1) {
    ledger.release(1, seq);
    await pause(0);
  }
  await within(
    'marks',
    until(() => Promise.resolve(committed > 100)),
  );
  await rm(join(disk, 'other'));
  await within(
    'resume',
    until(async () => {
      number += 1;
      const result = await ledger.append(sale(number));
      keep(number, result, answers);
      return result.kind === 'accepted';
    }),
  );
  await ledger.close();
  await judge(directory, answers);
  const again = await openLedger(directory, { segmentBytes: 256 * 1024 });
  assert.equal(again.drainingLife?.released.size, last - 2);
  await again.close();
});

const CHILD = join(import.meta.dirname, 'appender.ts');

test('a write that the kernel fails (EIO by strace) refuses that commit and no other', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('strace is not there');
  for (const when of [21, 27, 45]) {
    const directory = await mkdtemp(join(tmpdir(), 'fieldpost-eio-'));
    const inject = `inject=pwrite64:error=EIO:when=${when}`;
    const args = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64', '-e', inject];
    const child = spawn('strace', [...args, process.execPath, '--import', 'tsx', CHILD, directory, '200'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [status] = (await within('child', once(child, 'close'))) as [number];
    if (status !== 0 && chunks.length === 0) return t.skip('strace may not trace here');
    assert.equal(status, 0);
    const answers: Answers = { accepted: new Map(), refused: new Set() };
    for (const line of Buffer.concat(chunks).toString().trimEnd().split('\n')) {
      const [kind, number, seq] = line.split(' ');
      if (kind === 'accepted') answers.accepted.set(Number(number), Number(seq));
      if (kind === 'refused') answers.refused.add(Number(number));
    }
    assert.ok(answers.accepted.size > 150);
    await judge(directory, answers);
    await rm(directory, { recursive: true });
  }
});
