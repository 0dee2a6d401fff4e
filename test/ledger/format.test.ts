/**
 * A reader of the ledger written from docs/LEDGER-FORMAT.md alone: nothing of src/ledger is imported for it. It holds the
 * page to what the code writes.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultyFiles } from './faulty-files.ts';
import { appendSales, openLedger, sale, temporaryDirectory } from './rig.ts';
import { makeSample, SEGMENT_BYTES, segmentNames, verifyDirectory } from './sample.ts';

function crc(bytes: Uint8Array, seed = 0): number {
  let value = ~seed;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  }
  return ~value >>> 0;
}

interface Found {
  readonly kind: number;
  readonly seq: number;
  readonly body: Buffer;
  readonly at: number;
}

function* frames(file: Buffer, salt: number): Generator<Found> {
  for (let at = 64; at + 24 <= file.length; ) {
    const length = file.readUInt32LE(at + 4);
    const end = at + 24 + length;
    const sound =
      file[at] === 0xf7 &&
      length <= (file[at + 1] === 4 ? 256 : 2) * 1024 * 1024 &&
      end <= file.length &&
      file.readUInt32LE(at + 16) === crc(file.subarray(at, at + 16), salt) &&
      file.readUInt32LE(at + 20) === crc(file.subarray(at + 24, end), salt);
    if (sound) {
      const seq = Number(file.readBigUInt64LE(at + 8));
      yield { kind: file[at + 1] as number, seq, body: file.subarray(at + 24, end), at };
    }
    at = sound ? at + 24 + Math.ceil(length / 8) * 8 : at + 8;
  }
}

/** Format 2: pairs of LEB128 numbers, base64. */
function rangesOf(ranges: string | [number, number][]): [number, number][] {
  if (typeof ranges !== 'string') return ranges;
  const numbers: number[] = [];
  let [value, scale] = [0, 1];
  for (const byte of Buffer.from(ranges, 'base64')) {
    value += (byte % 128) * scale;
    scale *= 128;
    if (byte < 128) {
      numbers.push(value);
      [value, scale] = [0, 1];
    }
  }
  const found: [number, number][] = [];
  let end = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const from = end + (numbers[at] as number);
    end = from + (numbers[at + 1] as number);
    found.push([from, end]);
  }
  return found;
}

function readLedger(directory: string): { seq: number; payload: Buffer; handed: boolean }[] {
  const names = readdirSync(directory)
    .filter((name) => /^\d{10}-\d+-[0-9A-Z]{8}-\d+\.seg$/.test(name))
    .sort();
  const segments = names.map((name) => {
    const [index = '', life = '', epoch = '', base = ''] = name.slice(0, -4).split('-');
    const id = Buffer.alloc(24);
    id.write(epoch, 'latin1');
    id.writeBigUInt64LE(BigInt(index), 8);
    id.writeBigUInt64LE(BigInt(life), 16);
    const file = readFileSync(join(directory, name));
    return { index: Number(index), life, base: Number(base), all: [...frames(file, crc(id))] };
  });
  const newest = segments.at(-1)?.all ?? [];
  const snapshot = JSON.parse(newest.find((frame) => frame.kind === 4)?.body.toString() ?? '{}') as {
    ends: [number, number][];
    lives: { handed: string | [number, number][] }[];
  };
  const handed = rangesOf(snapshot.lives[0]?.handed ?? []).map(([from, through]) => [from, through] as const);
  for (const { body } of newest.filter((frame) => frame.kind === 2)) {
    for (let at = 0; at < body.length; at += 8 + 8 * body.readUInt16LE(at + 2)) {
      for (let n = 0; body[at] === 2 && n < body.readUInt16LE(at + 2); n += 1) {
        const from = body.readUIntLE(at + 8 + 8 * n, 6);
        handed.push([from, from + body.readUInt16LE(at + 14 + 8 * n) - 1]);
      }
    }
  }
  return segments.flatMap(({ index, life, all }, place) => {
    const stop = new Map(snapshot.ends).get(index) ?? Infinity;
    const next = segments[place + 1];
    const below = next !== undefined && next.life === life ? next.base : Infinity;
    const events = all.filter(({ kind, at, seq }) => kind === 1 && at < stop && seq < below);
    return events.map(({ seq, body }) => ({
      seq,
      payload: body.subarray(1 + (body[0] as number)),
      handed: handed.some(([from, through]) => from <= seq && seq <= through),
    }));
  });
}

test('a reader written from the format page lists the same events, and what was handed over', async () => {
  const sample = await makeSample(90, true);
  assert.ok((await segmentNames(sample.directory)).length > 3);
  const listed = readLedger(sample.directory);
  assert.deepEqual(
    listed.map(({ seq, payload }) => [seq, payload.toString()]),
    [...sample.events].map(([seq, payload]) => [seq, payload.toString()]),
  );
  assert.deepEqual(
    listed.filter(({ handed }) => !handed).map(({ seq }) => seq),
    [17, ...Array.from({ length: 12 }, (_, at) => 80 + at)],
  );
  let prev = '';
  for (const { payload } of listed) {
    assert.equal((JSON.parse(payload.toString()) as { prev: string }).prev, prev);
    prev = createHash('sha256').update(payload).digest('base64url');
  }
  rmSync(join(sample.directory, '..'), { recursive: true });
});

test('the same reader passes over the frames of a commit that failed after it was written', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = faultyFiles(directory);
  const ledger = await openLedger(directory, { files, segmentBytes: SEGMENT_BYTES });
  const answers: string[] = [];
  for (let seq = 1; seq <= 20; seq += 1) {
    if (seq === 10) files.fault = { op: 'write', at: (files.calls.write ?? 0) + 1, error: 'EIO', how: 'after' };
    answers.push((await ledger.append(sale(seq))).kind);
  }
  await ledger.close();
  assert.equal(answers.filter((kind) => kind === 'refused').length, 1);
  const sales = readLedger(directory).map(
    ({ payload }) => JSON.parse(payload.toString()) as { source?: { seq: string } },
  );
  assert.deepEqual(
    sales.flatMap(({ source }) => (source === undefined ? [] : [Number(source.seq)])),
    Array.from({ length: 20 }, (_, at) => at + 1).filter((seq) => seq !== 10),
  );
});

test('the same reader reads a ledger of format 2, whose snapshot holds very many intervals', async (t) => {
  const directory = await temporaryDirectory(t);
  const ledger = await openLedger(directory, { segmentBytes: 1024 * 1024, maxBytes: 64 * 1024 * 1024 });
  const [life] = ledger.settlement.lives;
  assert.ok(life);
  // More intervals than a snapshot lists, and each second one of two numbers.
  await appendSales(ledger, 1, 26_000);
  const kept = (seq: number): boolean => seq % 3 === 0 || seq > 25_500;
  for (let seq = 1; seq <= ledger.figures.last; seq += 1) if (!kept(seq)) ledger.handOver(1, seq);
  // A new segment, which begins with a snapshot of all that.
  await ledger.markSession({ generation: 1, life: 1, broker: 'b', client: 'c', root: 'r', phase: 'open' });
  const newest = (await segmentNames(directory)).at(-1);
  for (let seq = 30_000; (await segmentNames(directory)).at(-1) === newest; seq += 100) {
    await appendSales(ledger, seq, seq + 99);
  }
  const last = ledger.figures.last;
  await ledger.close();
  const versions = (await segmentNames(directory)).map((name) => readFileSync(join(directory, name)).readUInt16LE(8));
  assert.deepEqual([...new Set(versions)], [1, 2], 'a format that older readers refuse, only where it is needed');
  const listed = readLedger(directory);
  assert.deepEqual(
    listed.map(({ seq }) => seq),
    Array.from({ length: last }, (_, at) => at + 1),
  );
  assert.deepEqual(
    listed.filter(({ handed, seq }) => handed === kept(seq)).map(({ seq }) => seq),
    [],
  );
  assert.equal((await verifyDirectory(directory)).ok, true);
  const again = await openLedger(directory);
  assert.equal(again.figures.unsent, listed.filter(({ handed }) => !handed).length);
  await again.close();
});
