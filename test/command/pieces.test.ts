/** Results in pieces, on the operator's side: what is missing, wrong or doubled never makes a file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendChunks } from '../../src/command/chunks.ts';
import type { Document } from '../../src/command/command.ts';
import { Pieces } from '../../src/cli/command-pieces.ts';

const CONTENT = Buffer.alloc(100_000, 'fieldpost');

async function sent(): Promise<{ readonly told: Document[]; readonly result: Document }> {
  const told: Document[] = [];
  const progress = (members: Document): Promise<void> => Promise.resolve(void told.push(members));
  return { told, result: { ...(await sendChunks({ progress }, 'text/plain', CONTENT)) } };
}

test('pieces in any order, some of them twice, come to what was sent', async () => {
  const { told, result } = await sent();
  const pieces = new Pieces();
  for (const one of [...told, ...told].reverse()) assert.equal(pieces.take(one), true);
  assert.deepEqual(pieces.whole(result), { bytes: CONTENT, isChecked: true });
});

test('a piece that is missing or changed is told, and so is a whole that is another', async () => {
  const { told, result } = await sent();
  const pieces = new Pieces();
  const [first, ...others] = told;
  const chunk = { ...(first?.['chunk'] as Document), data: Buffer.from('other').toString('base64') };
  assert.equal(pieces.take({ chunk }), false);
  for (const one of others) pieces.take(one);
  assert.equal(pieces.whole(result), '1 of 4 pieces did not come: ask again');
  pieces.take(first ?? {});
  assert.match(JSON.stringify(pieces.whole({ ...result, sha256: 'ff' })), /do not come to the sha256/);
  assert.match(JSON.stringify(pieces.whole({ state: 'ok' })), /nothing to put together/);
  assert.equal(pieces.take({}), false);
});
