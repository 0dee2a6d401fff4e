/** What becomes of a ledger in which very many events stay behind others that leave. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Commit } from '../../src/ledger/committer.ts';
import { encodeFrame, FRAME_KIND, frameBytes } from '../../src/ledger/frame.ts';
import type { Interval } from '../../src/ledger/intervals.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { encodeMarks } from '../../src/ledger/marks.ts';
import { encodeSegmentHeader, segmentName, segmentSalt } from '../../src/ledger/segment.ts';
import { faultyFiles } from './faulty-files.ts';
import { appendSales, openLedger, quietLog, sale, temporaryDirectory } from './rig.ts';

const DEADLINE_MS = 60_000;
const LIFE = { ordinal: 1, epoch: '7QK3M2XA', first: 1, lastHash: 'x' };

/**
 * A directory as a version left it that wrote intervals as lists only: a segment that is full, with a snapshot just below
 * 2 MiB and marks behind it that bring it above. Every second event up to twice `handed` was handed over.
 */
async function lockedLedger(directory: string, handed: number): Promise<number> {
  const ranges = Array.from({ length: handed }, (_, at): Interval => [2 * at + 1, 2 * at + 1]);
  const last = 2 * handed;
  const listed = ranges.slice(0, 125_000);
  const sets = { handed: listed, released: [], dead: [], settled: [], reopened: [], lost: [] };
  const lives = [{ ...LIFE, last, ...sets }];
  const snapshot = Buffer.from(JSON.stringify({ lives, sources: [], ends: [], unnamed: [], key: '', receipts: false }));
  assert.ok(snapshot.length < 2 * 1024 * 1024);
  const marks = encodeMarks([{ kind: 'handed', code: 0, life: 1, ranges: ranges.slice(listed.length) }]);
  const used = 64 + 2 * frameBytes(snapshot.length) + marks.reduce((sum, body) => sum + frameBytes(body.length), 0);
  const header = { index: 1, life: 1, epoch: LIFE.epoch, baseSeq: last + 1, bytes: used + 512, reserve: false };
  const file = Buffer.alloc(header.bytes);
  encodeSegmentHeader(header, 1).copy(file);
  let at = 64;
  for (let copy = 0; copy < 2; copy += 1) {
    at = encodeFrame(file, at, segmentSalt(header), FRAME_KIND.snapshot, 0, 0, [snapshot]);
  }
  for (const body of marks) at = encodeFrame(file, at, segmentSalt(header), FRAME_KIND.marks, 1, 0, [body]);
  await writeFile(join(directory, segmentName(header)), file);
  return last;
}

function session(generation: number): Parameters<Ledger['markSession']>[0] {
  return { generation, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' };
}

async function seen(ledger: Ledger, done: (commit: Commit) => boolean, begin: () => void): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    ledger.onCommit((commit) => void (done(commit) && resolve()));
    late = setTimeout(() => reject(new Error('not committed in time')), DEADLINE_MS);
    begin();
  });
  clearTimeout(late);
}

test('a ledger that an older version locked by the size of its snapshot opens, keeps marks, and drains', async (t) => {
  const directory = await temporaryDirectory(t);
  const last = await lockedLedger(directory, 150_000);
  const ledger = await openLedger(directory, { segmentBytes: 4 * 1024 * 1024 });
  assert.equal(ledger.figures.unsent, last / 2);
  for (let generation = 1; generation <= 5; generation += 1) await ledger.markSession(session(generation));
  assert.equal((await ledger.append(sale(1))).kind, 'accepted');
  await ledger.close();
  const again = await openLedger(directory, { segmentBytes: 4 * 1024 * 1024 });
  assert.equal(again.session?.generation, 5);
  assert.equal(again.figures.unsent, last / 2 + 1);
  await seen(
    again,
    () => again.figures.unsent === 0,
    () => {
      for (let seq = 2; seq <= again.figures.last; seq += 1) again.handOver(1, seq);
    },
  );
  assert.equal((await again.append(sale(2))).kind, 'accepted');
  await again.close();
  const small = await openLedger(directory);
  assert.equal(small.figures.unsent, 1);
  await small.close();
});

test('a broker that forgot all of a very fragmented ledger does not hold up the event loop, nor the starts after it', async (t) => {
  const directory = await temporaryDirectory(t);
  const last = await lockedLedger(directory, 150_000);
  const delay = monitorEventLoopDelay();
  delay.enable();
  t.after(() => delay.disable());
  const options = { segmentBytes: 4 * 1024 * 1024, receipts: true };
  const ledger = await openLedger(directory, options);
  await ledger.markSession(session(1), true);
  assert.equal(ledger.settlement.lives[0]?.reopened.size, last / 2);
  await ledger.close();
  const again = await openLedger(directory, options);
  assert.equal(again.settlement.lives[0]?.reopened.size, last / 2);
  await again.close();
  await pause(0);
  // A second or less. It was more than the minute after which systemd's watchdog ends the service, again and again.
  assert.ok(delay.max < 15e9, `the event loop stood still for ${delay.max / 1e9} s`);
});

test('on a full disk the reserve holds marks also behind a snapshot that is larger than a reserve was', async (t) => {
  const directory = await temporaryDirectory(t);
  await lockedLedger(directory, 250_000);
  const files = faultyFiles(directory);
  const ledger = await openLedger(directory, { files, segmentBytes: 256 * 1024 });
  const until = performance.now() + DEADLINE_MS;
  const sizeOf = async (name: string): Promise<number> =>
    (await files.list()).find((one) => one.name === name)?.bytes ?? 0;
  while ((await sizeOf('reserve')) !== 4 * 1024 * 1024 || (await sizeOf('spare')) !== 256 * 1024) {
    assert.ok(performance.now() < until, 'spare and reserve were not made in time');
    await pause(5);
  }
  files.fault = { op: 'makeZeroed', at: 1, times: 1_000_000, error: 'ENOSPC' };
  for (let generation = 1; generation <= 5; generation += 1) await ledger.markSession(session(generation));
  const refused = await ledger.append(sale(1));
  assert.equal(refused.kind === 'refused' ? refused.code : '', 'ledger.disk');
  assert.equal(await sizeOf('reserve'), 0, 'the reserve is the newest segment');
  await ledger.close();
});

for (const how of ['held back', 'dying'] as const) {
  test(`above a bound new events of a stream that is ${how} are refused, also after a restart, until it has drained`, async (t) => {
    const directory = await temporaryDirectory(t);
    const log: string[] = [];
    const options = { piecesMax: 40, log: quietLog(log) };
    let ledger = await openLedger(directory, options);
    const other = { ...sale(0), stream: 'meter' };
    const meter = (seq: number): typeof other => ({ ...other, source: { epoch: 'm', seq: String(seq) } });
    const left: number[] = [];
    let accepted = 0;
    let refused: string | undefined;
    for (let n = 1; n <= 200 && refused === undefined; n += 1) {
      const result = await ledger.append(sale(n));
      if (result.kind === 'accepted') {
        accepted = n;
        left.push(result.seq);
        if (how === 'dying') {
          ledger.bury(1, result.seq, 0x99);
          ledger.strays.died('sale');
        } else ledger.strays.holdBack('sale');
      } else if (result.kind === 'refused') refused = result.code;
      const gone = await ledger.append(meter(n));
      assert.ok(gone.kind === 'accepted', 'the other stream goes on');
      ledger.handOver(1, gone.seq);
      await pause(0);
      await ledger.markSession(session(n));
    }
    assert.equal(refused, 'ledger.fragmented');
    assert.ok(accepted >= 15 && accepted <= 45, `${accepted} before it was refused`);
    assert.equal(ledger.figures.refusing?.code, 'ledger.fragmented');
    assert.equal((await ledger.append(sale(accepted))).kind, 'repeat', 'what is there is still answered');
    await ledger.close();
    ledger = await openLedger(directory, options);
    assert.equal((await ledger.append(sale(300))).kind, 'refused');
    assert.equal((await ledger.append(meter(300))).kind, 'accepted');
    assert.equal(ledger.figures.refused, 1);
    await seen(
      ledger,
      () => ledger.figures.refusing === undefined,
      () => {
        if (how === 'dying')
          assert.equal(ledger.settlement.reopenDead(ledger.settlement.lives[0] as never), left.length);
        for (const seq of left) ledger.handOver(1, seq);
      },
    );
    assert.equal((await ledger.append(sale(300))).kind, 'accepted');
    assert.ok(log.some((line) => line.includes('accepts events again')));
    await ledger.close();
  });
}

test('a stream that leaves again is taken at once, though others have not drained', async (t) => {
  const ledger = await openLedger(await temporaryDirectory(t), { piecesMax: 10 });
  await appendSales(ledger, 1, 60);
  for (let seq = 2; seq <= 60; seq += 2) ledger.handOver(1, seq);
  await ledger.markSession(session(1));
  ledger.strays.holdBack('sale');
  ledger.strays.holdBack('meter');
  assert.equal((await ledger.append(sale(100))).kind, 'refused');
  assert.equal((await ledger.append({ ...sale(101), stream: 'meter' })).kind, 'refused');
  ledger.strays.leaves('meter');
  assert.equal((await ledger.append({ ...sale(101), stream: 'meter' })).kind, 'accepted');
  assert.equal((await ledger.append(sale(100))).kind, 'refused');
  await ledger.close();
});

/** Sells with `other` held back beside it, until one of the two is refused. */
async function sellBeside(ledger: Ledger, other: string): Promise<string> {
  for (let n = 1; n <= 2000; n += 1) {
    const left = await ledger.append({ ...sale(n), source: { epoch: 'beside', seq: String(n) } });
    if (left.kind !== 'accepted') return 'sale';
    ledger.strays.leaves('sale');
    ledger.handOver(1, left.seq);
    if (
      (await ledger.append({ ...sale(n), stream: other, source: { epoch: other, seq: String(n) } })).kind === 'refused'
    )
      return other;
    ledger.strays.holdBack(other);
  }
  return 'none';
}

test('dead letters that were cared for, and a few that were not, do not stop a stream whose events leave', async (t) => {
  for (const [died, isCaredFor] of [
    [12, true],
    [3, false],
  ] as const) {
    const directory = await temporaryDirectory(t);
    const ledger = await openLedger(directory, { piecesMax: 400 });
    const results = await appendSales(ledger, 1, died);
    const seqs = results.flatMap((result) => (result.kind === 'accepted' ? [result.seq] : []));
    for (const seq of seqs) {
      ledger.bury(1, seq, 0x99);
      ledger.strays.died('sale');
    }
    await ledger.markSession(session(1));
    assert.equal(ledger.figures.dead, died);
    if (isCaredFor) {
      assert.equal(ledger.settlement.reopenDead(ledger.settlement.lives[0] as never), died);
      for (const seq of seqs) {
        ledger.strays.leaves('sale');
        ledger.handOver(1, seq);
      }
      await ledger.markSession(session(2));
      assert.equal(ledger.figures.dead, 0);
    }
    assert.equal(await sellBeside(ledger, 'meter'), 'meter');
    await ledger.close();
    const again = await openLedger(directory, { piecesMax: 400 });
    assert.equal((await again.append(sale(5000))).kind, 'accepted');
    await again.close();
  }
});

test('retrying very many dead letters asks once for each run of them', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory, { segmentBytes: 1024 * 1024 });
  await appendSales(ledger, 1, 3000);
  for (let seq = 2; seq <= 3001; seq += 1) ledger.bury(1, seq, 0x99);
  await ledger.markSession(session(1));
  const life = ledger.drainingLife;
  assert.ok(life);
  assert.equal(ledger.figures.dead, 3000);
  const { settlement } = ledger;
  const asked: Interval[] = [];
  const reopen = settlement.reopen.bind(settlement);
  settlement.reopen = (of, from, through) => {
    asked.push([from, through]);
    return reopen(of, from, through);
  };
  assert.equal(settlement.reopenDead(life), 3000);
  assert.deepEqual(asked, [[2, 3001]]);
  await ledger.close();
});
