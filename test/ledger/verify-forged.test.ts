/** What somebody without any key makes of a ledger or of its export is found, without a pinned key too. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyExport } from '../../src/cli/ledger-export.ts';
import { exported, forgeExport, linesOf, makeHome, rewritten, sell, verifiedDirectory } from './forged.ts';
import { segmentNames } from './sample.ts';

/** The first problem, as one line. */
function firstOf(verdict: {
  readonly problems: readonly { readonly epoch: string; readonly seq: number; readonly what: string }[];
}): string {
  const [first] = verdict.problems;
  return first === undefined ? 'sound' : `${first.epoch} ${first.seq} ${first.what}`;
}

test('sales that were altered under the name of an unknown key, or with no signature, are found in an export', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  await sell(home.directory, signer, 1, 6);
  assert.equal(firstOf(await exported(home, undefined)), 'sound');
  const { head, events } = await linesOf(home.file);
  const { epoch } = JSON.parse(events[0] ?? '') as { epoch: string };
  const forge = async (change: (event: Record<string, unknown>) => void): Promise<string> => {
    await forgeExport(home.file, head, rewritten(events, 4, change));
    return firstOf(await verifyExport(home.file, []));
  };
  await forgeExport(home.file, head, events);
  assert.equal(firstOf(await verifyExport(home.file, [])), 'sound', 'the forger can write a sound file');
  const named = await forge((event) => Object.assign(event, { data: {}, key: 'nobody', sig: 'xx' }));
  assert.equal(named, `${epoch} 5 is signed by nobody, a key that nothing here names; ${signer.keyId} signs here`);
  const bare = await forge((event) => {
    delete event['key'];
    delete event['sig'];
  });
  assert.equal(bare, `${epoch} 5 is not signed, and ${signer.keyId} signs here`);
  const taken = await forge((event) => Object.assign(event, { data: {} }));
  assert.equal(taken, `${epoch} 5 has a signature that does not fit its bytes`);
});

test('a key that an event names without being signed by it counts for nothing', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  const other = home.signer('other');
  await sell(home.directory, signer, 1, 6);
  await exported(home, undefined);
  const { head, events } = await linesOf(home.file);
  const forged = rewritten(events, 4, (event) => {
    if (event['seq'] === 5) {
      const field = (value: string): object => ({ value, quality: 'good' });
      const data = { key: field(other.keyId), algorithm: field('ed25519'), public: field(other.publicKey) };
      Object.assign(event, { stream: 'agent', type: 'ledger.key', data });
    }
    delete event['key'];
    delete event['sig'];
  });
  await forgeExport(home.file, head, forged);
  const { problems } = await verifyExport(home.file, []);
  assert.deepEqual(
    problems.map(({ seq, what }) => [seq, what]),
    [
      [5, `names the key ${other.keyId} and is not signed by it`],
      [6, `is not signed, and ${signer.keyId} signs here`],
      [7, `is not signed, and ${signer.keyId} signs here`],
      [8, `is not signed, and ${signer.keyId} signs here`],
    ],
  );
});

test('an epoch that comes twice, and a trailer by a key that the head does not name, are found', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  await sell(home.directory, signer, 1, 3, (ledger) => ledger.startEpoch('nothing yet'));
  await sell(home.directory, signer, 4, 6, (ledger) => ledger.startEpoch('a test'));
  assert.equal(firstOf(await exported(home, undefined)), 'sound');
  const { head, events } = await linesOf(home.file);
  const { epoch } = JSON.parse(events[0] ?? '') as { epoch: string };
  const first = events.filter((line) => line.includes(`"epoch":"${epoch}","seq"`));
  await forgeExport(home.file, head, [...events, ...first]);
  assert.equal(firstOf(await verifyExport(home.file, [])), `${epoch} 1 is of an epoch that ended before`);
  await forgeExport(home.file, head, events, { key: 'nobody', sig: 'xx' });
  assert.match(firstOf(await verifyExport(home.file, [])), /is signed by nobody, a key that the head does not name$/);
});

test('the end of an older epoch that was taken away is found, in the ledger and in its export', async (t) => {
  const home = await makeHome(t);
  const signer = home.signer('state');
  await sell(home.directory, signer, 1, 60);
  await sell(home.directory, signer, 61, 70, (ledger) => ledger.startEpoch('a test'));
  assert.equal(firstOf(await verifiedDirectory(home.directory)), 'sound');
  assert.equal(firstOf(await exported(home, signer)), 'sound');
  const old = (await verifiedDirectory(home.directory)).epochs[0];
  const names = await segmentNames(home.directory);
  const last = names.filter((name) => name.includes(old?.epoch ?? '')).at(-1) ?? '';
  await rm(join(home.directory, last));
  const found = await verifiedDirectory(home.directory);
  const from = (found.epochs[0]?.last ?? 0) + 1;
  const what = `missing through ${old?.last}, and no ledger.gap`;
  assert.equal(firstOf(found), `${old?.epoch} ${from} ${what} event names it`);
  assert.equal(found.problems.length, 1);
  assert.equal(firstOf(await exported(home, signer)), `${old?.epoch} ${from} ${what} names it`);
});

test('a whole epoch that was taken away is found: one that was not settled, and one between two others', async (t) => {
  for (const victim of [0, 1]) {
    const home = await makeHome(t);
    const signer = home.signer('state');
    await sell(home.directory, signer, 1, 9);
    for (const from of [10, 20])
      await sell(home.directory, signer, from, from + 3, (ledger) => ledger.startEpoch('a test'));
    const { epochs, ok } = await verifiedDirectory(home.directory);
    assert.deepEqual([ok, epochs.length], [true, 3]);
    const gone = epochs[victim]?.epoch ?? '';
    for (const name of await segmentNames(home.directory))
      if (name.includes(gone)) await rm(join(home.directory, name));
    const found = await verifiedDirectory(home.directory);
    assert.match(firstOf(found), new RegExp(`^${gone} 1 missing through ${epochs[victim]?.last}`));
    // An export whose first epoch names one before it is how one looks after retention.
    const says = firstOf(await exported(home, signer));
    if (victim === 0) assert.equal(says, 'sound');
    else assert.match(says, new RegExp(`^${gone} 1 missing through`));
  }
});
