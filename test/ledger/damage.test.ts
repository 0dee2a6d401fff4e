import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FRAME_HEADER_BYTES, FRAME_KIND, scanFrames } from '../../src/ledger/frame.ts';
import { parseSegmentName, SEGMENT_HEADER_BYTES, type SegmentId, segmentSalt } from '../../src/ledger/segment.ts';
import { live, listAll, makeSample, type Sample, seeded, segmentNames, verifyDirectory } from './sample.ts';

/** FIELDPOST_EXHAUSTIVE=1 takes every structural byte and every edge: some thousand ledgers, minutes instead of seconds. */
const EXHAUSTIVE = process.env['FIELDPOST_EXHAUSTIVE'] === '1';
const SEED = Number(process.env['FIELDPOST_SEED'] ?? 20261124);
const SALES = 90;
const samples: Sample[] = [];
const closed = await makeSample(SALES, true);
const killed = await makeSample(SALES, false);
samples.push(closed, killed);
after(async () => {
  for (const { directory } of samples) await rm(join(directory, '..'), { recursive: true, force: true });
});

interface Wound {
  readonly file: string;
  /** What it does to the file's bytes; undefined removes the file. */
  readonly hurt: (bytes: Buffer) => Buffer | undefined;
  readonly what: string;
}

/** Byte stretches of a segment and what stands there. */
function places(id: SegmentId, bytes: Buffer): { at: number; end: number; seq: number | undefined }[] {
  const found: { at: number; end: number; seq: number | undefined }[] = [];
  for (const scanned of scanFrames(bytes, SEGMENT_HEADER_BYTES, segmentSalt(id))) {
    if (scanned.kind !== 'frame') continue;
    const seq = scanned.frame.kind === FRAME_KIND.event ? scanned.frame.seq : undefined;
    // Without the zeros that fill it up: they carry nothing.
    const end = scanned.at + FRAME_HEADER_BYTES + scanned.frame.body.length;
    found.push({ at: scanned.at, end, seq });
  }
  return found;
}

/** Sequences whose bytes differ after the wound. */
function hitBy(name: string, before: Buffer, now: Buffer | undefined): Set<number> {
  const hit = new Set<number>();
  const id = parseSegmentName(name);
  if (id === undefined) return hit;
  for (const { at, end, seq } of places(id, before)) {
    if (seq === undefined) continue;
    if (now === undefined || !before.subarray(at, end).equals(now.subarray(at, end))) hit.add(seq);
  }
  return hit;
}

/** Hurts a copy of the sample, lives with it, and holds every promise against what is found. */
async function endure(sample: Sample, wound: Wound): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-damage-'));
  try {
    await cp(sample.directory, directory, { recursive: true });
    const path = join(directory, wound.file);
    const before = await readFile(path);
    const now = wound.hurt(Buffer.from(before));
    if (now === undefined) await rm(path);
    else await writeFile(path, now);
    const hit = hitBy(wound.file, before, now);
    const sound = [...sample.events.keys()].filter((seq) => !hit.has(seq));
    const hurtEvents = await listAll(directory);
    const verdict = await verifyDirectory(directory);
    // The oldest segment gone with all in it settled is what retention does.
    const retired = now === undefined && wound.file.startsWith('0000000001') && [...hit].every(isHanded);
    if (hit.size > 0 && !retired) assert.equal(verdict.ok, false, 'verify sees that accepted events are gone');
    const sales = sound.filter((seq) => seq > 1).map((seq) => seq - 1);
    const aftermath = await live(directory, sales);

    for (const listed of [hurtEvents, aftermath.events]) {
      const seen = new Set<number>();
      for (const { epoch, seq, payload } of listed) {
        if (epoch !== sample.epoch) continue;
        assert.ok(!seen.has(seq), `seq ${seq} is listed once`);
        seen.add(seq);
        const original = sample.events.get(seq);
        if (original !== undefined) assert.ok(payload.equals(original), `seq ${seq} is the original`);
      }
      for (const seq of sound) assert.ok(seen.has(seq), `seq ${seq} was not hit and is there`);
      if (listed === hurtEvents)
        for (const seq of hit) assert.ok(!seen.has(seq), `seq ${seq} was hit and is not shown`);
    }
    for (const result of aftermath.appended) {
      assert.equal(result.kind, 'accepted');
      if (result.kind !== 'accepted' || aftermath.epoch !== sample.epoch) continue;
      assert.ok(result.seq > SALES + 1, `new seq ${result.seq} was never used`);
    }
    for (const result of aftermath.repeats) assert.equal(result.kind, 'repeat');
    const lost = [...hit].filter((seq) => !isHanded(seq));
    if (lost.length > 0) {
      assert.ok(
        aftermath.log.some((line) => line.startsWith('error')),
        'the damage is logged',
      );
      const names = namedBy(aftermath.events, sample.epoch);
      if (aftermath.epoch === sample.epoch) for (const seq of lost) assert.ok(names(seq), `lost seq ${seq} is named`);
    }
  } catch (error) {
    throw new Error(`${wound.what} of ${wound.file} (seed ${SEED}): ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The sample hands over all but the last twelve and the dead letter. */
function isHanded(seq: number): boolean {
  return seq <= SALES + 1 - 12 && seq !== 17;
}

function namedBy(events: readonly { payload: Buffer }[], epoch: string): (seq: number) => boolean {
  const gaps: [number, number][] = [];
  for (const { payload } of events) {
    const { type, data } = JSON.parse(payload.toString()) as { type: string; data: Record<string, { value: string }> };
    if (type !== 'ledger.gap' || data['epoch']?.value !== epoch) continue;
    gaps.push([Number(data['from']?.value), Number(data['through']?.value)]);
  }
  return (seq) => gaps.some(([from, through]) => from <= seq && seq <= through);
}

function flip(at: number, mask = 0x10): Wound['hurt'] {
  return (bytes) => {
    bytes[at] = (bytes[at] as number) ^ mask;
    return bytes;
  };
}

async function structuralPlaces(sample: Sample, name: string): Promise<number[]> {
  const bytes = await readFile(join(sample.directory, name));
  const id = parseSegmentName(name);
  assert.ok(id);
  const all = Array.from({ length: SEGMENT_HEADER_BYTES }, (_, at) => at);
  for (const { at } of places(id, bytes)) for (let n = 0; n < FRAME_HEADER_BYTES; n += 1) all.push(at + n);
  return all;
}

for (const [kind, sample] of [
  ['closed', closed],
  ['killed', killed],
] as const) {
  test(`a flipped byte in a header loses nothing else and shows nothing wrong (${kind} ledger)`, async () => {
    const random = seeded(SEED);
    for (const name of await segmentNames(sample.directory)) {
      for (const at of await structuralPlaces(sample, name)) {
        if (EXHAUSTIVE || random() < 0.06)
          await endure(sample, { file: name, hurt: flip(at, 1 << Math.floor(random() * 8)), what: `flip at ${at}` });
      }
    }
  });

  test(`a flipped byte anywhere loses at most the record it hits (${kind} ledger)`, async () => {
    const random = seeded(SEED + 1);
    for (const name of [...(await segmentNames(sample.directory)), 'notes', 'spare', 'reserve']) {
      const { length } = await readFile(join(sample.directory, name));
      for (let n = 0; n < (EXHAUSTIVE ? 500 : 25); n += 1) {
        const at = Math.floor(random() * length);
        await endure(sample, { file: name, hurt: flip(at), what: `flip at ${at}` });
      }
    }
  });

  test(`a file cut to any length loses only what was cut (${kind} ledger)`, async () => {
    const random = seeded(SEED + 2);
    for (const name of await segmentNames(sample.directory)) {
      const bytes = await readFile(join(sample.directory, name));
      const id = parseSegmentName(name);
      assert.ok(id);
      const edges = places(id, bytes)
        .flatMap(({ at }) => [at - 1, at, at + 1])
        .filter(() => EXHAUSTIVE || random() < 0.15);
      for (const length of [0, 1, SEGMENT_HEADER_BYTES, bytes.length - 1, ...edges]) {
        await endure(sample, { file: name, hurt: (whole) => whole.subarray(0, length), what: `cut to ${length}` });
      }
    }
  });

  test(`a zeroed block loses only what stood in it (${kind} ledger)`, async () => {
    for (const name of await segmentNames(sample.directory)) {
      const { length } = await readFile(join(sample.directory, name));
      for (const [size, step] of [
        [512, 1536],
        [4096, 4096],
      ] as const) {
        for (let at = 0; at < length; at += step) {
          const hurt = (bytes: Buffer): Buffer => bytes.fill(0, at, at + size);
          await endure(sample, { file: name, hurt, what: `${size} zeroed at ${at}` });
        }
      }
    }
  });

  test(`any one missing file is survived and noticed (${kind} ledger)`, async () => {
    for (const name of [...(await segmentNames(sample.directory)), 'notes', 'spare', 'reserve']) {
      await endure(sample, { file: name, hurt: () => undefined, what: 'removal' });
    }
  });
}

test('damage behind the head of a segment that its second snapshot makes good does not void the broker session', async () => {
  const [name] = (await segmentNames(closed.directory)).slice(-1);
  assert.ok(name);
  const directory = await mkdtemp(join(tmpdir(), 'fieldpost-damage-'));
  await cp(closed.directory, directory, { recursive: true });
  const bytes = await readFile(join(directory, name));
  await writeFile(join(directory, name), flip(SEGMENT_HEADER_BYTES + 40)(bytes) as Buffer);
  const aftermath = await live(directory, []);
  await rm(directory, { recursive: true });
  assert.equal(aftermath.phase, 'open');
  assert.equal(aftermath.quarantined, 1);
});

test('the number of a damaged last event is not used again, with or without the notes', async () => {
  for (const sample of [closed, killed]) {
    const name = (await segmentNames(sample.directory)).at(-1) as string;
    const whole = await readFile(join(sample.directory, name));
    const id = parseSegmentName(name) as SegmentId;
    const events = places(id, whole).filter(({ seq }) => seq !== undefined);
    const last = events.at(-1);
    assert.ok(last);
    for (const at of [last.at, last.at + 8, last.at + 17, last.at + 60, last.end - 3]) {
      await endure(sample, { file: name, hurt: flip(at), what: `flip at ${at}` });
      const directory = await mkdtemp(join(tmpdir(), 'fieldpost-damage-'));
      await cp(sample.directory, directory, { recursive: true });
      await rm(join(directory, 'notes'));
      await writeFile(join(directory, name), flip(at)(Buffer.from(whole)) as Buffer);
      for (const result of (await live(directory, [])).appended) {
        assert.ok(result.kind === 'accepted' && result.seq > SALES + 1, `${JSON.stringify(result)}, flip at ${at}`);
      }
      await rm(directory, { recursive: true });
    }
  }
});
