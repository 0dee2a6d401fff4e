/** An honest ledger is sound, and so is its export, whatever became of it: verification gives no false alarm. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyExport } from '../../src/cli/ledger-export.ts';
import type { ExportPart } from '../../src/ledger/export.ts';
import { FRAME_KIND, scanFrames } from '../../src/ledger/frame.ts';
import { parseSegmentName, SEGMENT_HEADER_BYTES, segmentSalt } from '../../src/ledger/segment.ts';
import type { VerifyingKey } from '../../src/ledger/signature.ts';
import type { EventSigner } from '../../src/ports.ts';
import {
  exported,
  forgeExport,
  type Home,
  linesOf,
  makeHome,
  pin,
  retired,
  SEGMENT_BYTES,
  sell,
  verifiedDirectory,
} from './forged.ts';
import { openLedger, sale } from './rig.ts';
import { listAll, segmentNames } from './sample.ts';

/** The ledger, its export with and without a signed trailer, and parts of it; with pins where all events are signed. */
async function isSound(home: Home, signer: EventSigner | undefined, pins: readonly VerifyingKey[] = []): Promise<void> {
  for (const keys of pins.length === 0 ? [[]] : [[], pins]) {
    assert.deepEqual((await verifiedDirectory(home.directory, keys)).problems, []);
    assert.deepEqual((await exported(home, signer, keys)).problems, []);
  }
  assert.deepEqual((await exported(home, undefined)).problems, []);
  const { epochs } = await verifiedDirectory(home.directory);
  const parts: readonly ExportPart[] = [
    { through: 4 },
    { from: 3 },
    { from: 5, through: 8 },
    ...epochs.map(({ epoch }) => ({ epoch })),
  ];
  for (const part of parts) {
    const verdict = await exported(home, signer, pins, part);
    assert.deepEqual(verdict.problems, [], JSON.stringify(part));
    assert.deepEqual(verdict.part, part);
  }
}

async function typesOf(directory: string): Promise<readonly string[]> {
  return (await listAll(directory)).map(({ payload }) => (JSON.parse(payload.toString()) as { type: string }).type);
}

test('a ledger without signatures is sound, over several epochs too', async (t) => {
  const home = await makeHome(t);
  await sell(home.directory, undefined, 1, 60);
  await sell(home.directory, undefined, 61, 70, (ledger) => ledger.startEpoch('a test'));
  await sell(home.directory, undefined, 71, 75, (ledger) => ledger.startEpoch('another'));
  await isSound(home, undefined);
});

test('a ledger is sound when retention took its beginning, signed by a key that no event names any more', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  await sell(home.directory, signer, 1, 90);
  await sell(home.directory, signer, 91, 99, (ledger) => ledger.startEpoch('a test'));
  await retired(home.directory, 3, signer);
  assert.ok(!(await typesOf(home.directory)).includes('ledger.key'));
  const { epochs } = await verifiedDirectory(home.directory);
  assert.ok(epochs.length === 2 && (epochs[0]?.first ?? 0) > 10, JSON.stringify(epochs));
  await isSound(home, signer, pin(signer));
  await retired(home.directory, 1, signer);
  assert.equal((await verifiedDirectory(home.directory)).epochs.length, 1);
  await isSound(home, signer, pin(signer));
});

test('a ledger is sound whose key was replaced, also when what named the older key was dropped', async (t) => {
  const home = await makeHome(t);
  const [first, second] = [home.signer('first'), home.signer('second')];
  await sell(home.directory, first, 1, 90);
  await sell(home.directory, second, 91, 120);
  await isSound(home, second, pin(first, second));
  const { keys } = await verifiedDirectory(home.directory);
  assert.deepEqual(
    keys.map(({ key, old }) => [key, old]),
    [
      [first.keyId, ''],
      [second.keyId, first.keyId],
    ],
  );
  await retired(home.directory, 3, second);
  const verdict = await verifiedDirectory(home.directory);
  assert.ok(verdict.signatures.unknown > 0 && verdict.signatures.good > 0);
  await isSound(home, second);
  const changed = verdict.keys.find(({ key }) => key === second.keyId)?.seq ?? 0;
  const before = await exported(home, second, [], { through: changed - 1 });
  assert.deepEqual([before.problems, before.signatures.good], [[], 0], 'only the name of the older key is left');
});

test('a ledger is sound whose key changed with its epoch: the first event stands before the one that names the key', async (t) => {
  const home = await makeHome(t);
  const [first, second, third] = [home.signer('first'), home.signer('second'), home.signer('third')];
  await sell(home.directory, first, 1, 9);
  await sell(home.directory, second, 11, 19, (ledger) => ledger.startEpoch('a test'));
  await sell(home.directory, third, 21, 29, (ledger) => ledger.startEpoch('another'));
  await isSound(home, third, pin(first, second, third));
});

test('a ledger is sound that was signed from some time on, and is not any more', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  await sell(home.directory, undefined, 1, 60);
  await sell(home.directory, signer, 61, 120, (ledger) => ledger.startEpoch('a test'));
  await sell(home.directory, undefined, 121, 180, (ledger) => ledger.startEpoch('another'));
  await sell(home.directory, undefined, 181, 200);
  await isSound(home, undefined);
  await retired(home.directory, 5, undefined);
  await isSound(home, undefined);
});

test('a torn commit is no damage to a signed ledger, before the agent named it and after', async (t) => {
  for (const which of [0, 1, 2]) {
    const home = await makeHome(t);
    const signer = home.signer('state');
    await sell(home.directory, signer, 1, 20);
    await tearLastCommit(home.directory, signer, which);
    await isSound(home, signer, pin(signer));
    await sell(home.directory, signer, 31, 36);
    assert.ok((await typesOf(home.directory)).includes('ledger.gap'));
    await isSound(home, signer, pin(signer));
    await sell(home.directory, signer, 41, 46, (ledger) => ledger.startEpoch('a test'));
    await isSound(home, signer, pin(signer));
  }
});

/** The last commit has three events; of the one at place `which` a power cut left nothing, and no note knows of them. */
async function tearLastCommit(directory: string, signer: EventSigner, which: number): Promise<void> {
  const ledger = await openLedger(directory, { segmentBytes: SEGMENT_BYTES, signer });
  assert.equal((await ledger.append(sale(21))).kind, 'accepted');
  const notes = await readFile(join(directory, 'notes'));
  await Promise.all([22, 23, 24].map((seq) => ledger.append(sale(seq))));
  const name = (await segmentNames(directory)).at(-1) ?? '';
  const bytes = await readFile(join(directory, name));
  await ledger.close();
  const id = parseSegmentName(name);
  assert.ok(id !== undefined);
  const frames = [...scanFrames(bytes, SEGMENT_HEADER_BYTES, segmentSalt(id))].filter(
    (scanned) => scanned.kind === 'frame' && scanned.frame.kind === FRAME_KIND.event,
  );
  const torn = frames.at(which - 3);
  assert.ok(torn?.kind === 'frame');
  // The last one leaves its first half; a hole is all zeros.
  bytes.fill(0, which === 2 ? torn.at + 100 : torn.at, torn.end);
  await writeFile(join(directory, name), bytes);
  await writeFile(join(directory, 'notes'), notes);
}

test('gaps that adjoin cover one hole', async (t) => {
  const home = await makeHome(t);
  await sell(home.directory, undefined, 1, 6);
  await exported(home, undefined);
  const { head, events } = await linesOf(home.file);
  const { epoch, prev } = JSON.parse(events[3] ?? '') as { epoch: string; prev: string };
  const gap = (seq: number, from: number, through: number, before: string): string => {
    const field = (value: string): object => ({ value, quality: 'good' });
    const data = { epoch: field(epoch), from: field(`${from}`), through: field(`${through}`), why: field('damage') };
    return JSON.stringify({
      v: 1,
      device: 'pump-42',
      epoch,
      seq,
      stream: 'agent',
      type: 'ledger.gap',
      data,
      prev: before,
    });
  };
  assert.notEqual(prev, '');
  const lines = [
    ...events.slice(0, 3),
    gap(8, 4, 5, 'lost'),
    gap(20, 6, 7, 'lost'),
    gap(40, 9, 19, 'lost'),
    gap(60, 21, 70, 'lost'),
  ];
  await forgeExport(home.file, head, lines);
  assert.deepEqual((await verifyExport(home.file, [])).problems, []);
});
