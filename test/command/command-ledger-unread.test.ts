/** A command ledger that the disk does not give at the start: nothing that may have run already is begun, and nothing of it is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandLedger } from '../../src/command/command-ledger.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';
import { makeUnreadable } from '../state/unreadable.ts';
import { codeOf, deskRig, handClock } from './desk-rig.ts';

const REQUEST = '{"args":{"a":1,"b":2},"by":"ops"}';

test('what can not be read at the start is not forgotten: commands are rejected, and known again when it can', async (t) => {
  const first = await deskRig(t);
  const { directory } = first;
  const { document } = await first.ask('add/1', REQUEST);
  await first.ask('add/2', REQUEST);
  await first.desk.close();
  const disk = await makeUnreadable(directory, 'commands');
  const next = await deskRig(t, { directory });
  for (const id of ['1', '3']) {
    const answer = await next.ask(`add/${id}`, REQUEST);
    assert.deepEqual([answer.document['status'], codeOf(answer)], ['rejected', 'command.disk']);
    assert.match(JSON.stringify(answer.document), /commands: can not be read: ELOOP/);
  }
  assert.equal((await next.ask('ping/1', '')).document['status'], 'succeeded');
  assert.ok(await disk.isUntouched());
  await disk.restore();
  // By two at once: the second waits for the same read.
  next.send('add/2', REQUEST);
  assert.equal(codeOf(await next.ask('add/1', REQUEST)), 'command.disk');
  for (const id of ['1', '2']) {
    const { document: again } = await next.ask(`add/${id}`, REQUEST);
    assert.deepEqual(again, { ...document, id, repeated: true });
  }
  assert.equal((await next.ask('add/3', REQUEST)).document['status'], 'succeeded');
  assert.equal(next.runs(), 1);
  const last = await deskRig(t, { directory });
  for (const id of ['1', '2', '3']) assert.equal((await last.ask(`add/${id}`, REQUEST)).document['repeated'], true);
  assert.equal(last.runs(), 0);
});

test('a new command is begun as soon as the disk gives the ledger, and what it cut off is in doubt', async (t) => {
  const directory = await temporaryDirectory(t);
  const { ledger, begin } = await ledgerOn(directory);
  assert.equal(await begin('cut-off'), 'begun');
  await ledger.close();
  const disk = await makeUnreadable(directory, 'commands');
  const next = await ledgerOn(directory, true);
  await disk.restore();
  assert.equal(await next.begin('new'), 'begun');
  const recalled = next.ledger.recall('add', 'cut-off', 'r');
  assert.equal(recalled.kind === 'done' ? recalled.outcome.status : recalled.kind, 'in_doubt');
});

test('a captured signed request is of no use on a device that could not read what its signer had used', async (t) => {
  const signed = { principal: 'ops', key: 'SHA256:k', n: 5 };
  for (const how of ['begin', 'count'] as const) {
    const directory = await temporaryDirectory(t);
    const { ledger } = await ledgerOn(directory);
    assert.equal(await ledger.count(signed), undefined);
    await ledger.close();
    const disk = await makeUnreadable(directory, 'commands');
    const next = await ledgerOn(directory);
    const use = async (n: number): Promise<string> =>
      how === 'count'
        ? ((await next.ledger.count({ ...signed, n })) ?? 'begun')
        : next.begin(`s${n}`, { ...signed, n });
    assert.notEqual(await use(5), 'begun', 'while it can not be read');
    await disk.restore();
    assert.notEqual(await use(5), 'begun', 'when it can');
    assert.equal(next.ledger.counterOf('SHA256:k'), 5);
    assert.equal(await use(6), 'begun');
  }
});

async function ledgerOn(directory: string, goesOn = false) {
  const { clock } = handClock('set');
  const ledger = new CommandLedger({ state: stateStore(directory, NO_LOG), clock, chance: systemChance, log: NO_LOG });
  await ledger.open(() => goesOn);
  const begin = async (id: string, signed?: Parameters<CommandLedger['count']>[0]): Promise<string> => {
    const request = { command: 'add', id, request: 'r', topic: 'up/response', by: undefined, own: undefined };
    return (await ledger.begin({ ...request, correlation: undefined, signed })).kind;
  };
  return { ledger, begin };
}
