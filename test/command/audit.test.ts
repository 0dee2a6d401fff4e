/** The audit: what changed something is an event in the chain, once, without its secrets, and never in a command's way. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { AppendResult, EventDraft } from '../../src/ports.ts';
import { problemText } from '../../src/config/problem.ts';
import { bad, route, withRoute } from '../config-rig.ts';
import { openLedger, readAll } from '../ledger/rig.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { HandLedger } from '../sensor-rig.ts';
import { keptLog, type LogLine } from '../serial-rig.ts';
import { codeOf, DEADLINE_MS, deskRig, slowCommand } from './desk-rig.ts';

const REQUEST = '{"args":{"a":1,"b":2},"by":"ops"}';
const FULL: AppendResult = { kind: 'refused', code: 'ledger.full', reason: 'no room' };

function valuesOf({ data }: Pick<EventDraft, 'data'>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(data).map(([name, { value }]) => [name, value]));
}

test('each changing command that was begun is one event with its outcome, and none of its arguments', async (t) => {
  const { ask, audits, desk } = await deskRig(t);
  await ask('add/1', REQUEST);
  await ask('add/2', '{"args":{"a":101,"b":2}}');
  await ask('add/1', REQUEST);
  await ask('add/3', '{"args":{"a":"x"}}');
  await ask('ping/1', '');
  await desk.runScheduled('add', { a: 1, b: 1 }, 'schedule.0.5');
  await until(() => audits.length === 3, 'the events', DEADLINE_MS);
  assert.deepEqual(audits.map(valuesOf), [
    {
      command: 'add',
      id: '1',
      by: 'ops',
      request: createHash('sha256').update(REQUEST).digest('base64url'),
      status: 'succeeded',
    },
    {
      command: 'add',
      id: '2',
      request: createHash('sha256').update('{"args":{"a":101,"b":2}}').digest('base64url'),
      status: 'failed',
      code: 'command.failed',
    },
    {
      command: 'add',
      id: 'schedule.0.5',
      by: 'schedule',
      request: createHash('sha256').update('{"v":1,"args":{"a":1,"b":1},"by":"schedule"}').digest('base64url'),
      status: 'succeeded',
    },
  ]);
  const [first] = audits;
  assert.deepEqual([first?.stream, first?.type, first?.sensor], ['audit', 'command', 'agent']);
});

test('what a kill kept out of the ledger is in it after the next start, in doubt too, and each of them once', async (t) => {
  const home = await temporaryDirectory(t);
  const never = new HandLedger();
  const slow = slowCommand();
  const killed = await deskRig(t, { auditSink: never, commands: [slow.command] });
  killed.send('slow/1', '{}');
  killed.send('slow/2', '{}');
  await until(() => slow.runs() === 2, 'both to run', DEADLINE_MS);
  slow.end(1);
  await until(() => never.drafts.length === 1, 'the first audit event, which never comes to the ledger', DEADLINE_MS);
  for (let start = 0; start < 3; start += 1) {
    const ledger = await openLedger(home);
    const { ask } = await deskRig(t, { directory: killed.directory, auditSink: ledger });
    const { last } = await until(
      () => (ledger.figures.last >= 3 + start ? ledger.figures : undefined),
      'the events of before',
      DEADLINE_MS,
    );
    assert.equal(last, 3 + start);
    await ask(`add/${start}`, REQUEST);
    await until(() => ledger.figures.last === 4 + start, 'the event of now', DEADLINE_MS);
    await ledger.close();
  }
  const ledger = await openLedger(home);
  const events = (await readAll(ledger)).map(({ payload }) => JSON.parse(payload.toString()) as EventDraft);
  await ledger.close();
  const audits = events.filter(({ stream }) => stream === 'audit').map(valuesOf);
  assert.deepEqual(
    audits.map(({ command, id, status }) => [command, id, status]),
    [
      ['slow', '1', 'in_doubt'],
      ['slow', '2', 'succeeded'],
      ['add', '0', 'succeeded'],
      ['add', '1', 'succeeded'],
      ['add', '2', 'succeeded'],
    ],
  );
});

test('an audit that is refused is counted, told once, offered again, and holds up no command', async (t) => {
  const sink = new HandLedger();
  const lines: LogLine[] = [];
  const { ask, desk } = await deskRig(t, { auditSink: sink, log: keptLog(lines) });
  await ask('add/1', REQUEST);
  sink.settle(0, FULL);
  await until(() => desk.counters.unaudited === 1, 'the count', DEADLINE_MS);
  assert.equal((await ask('add/2', REQUEST)).document['status'], 'succeeded');
  await until(() => sink.drafts.length === 2, 'the first one again', DEADLINE_MS);
  sink.settle(1, FULL);
  await until(() => desk.counters.unaudited === 2, 'the count', DEADLINE_MS);
  assert.equal(lines.filter(({ sentence }) => sentence.includes('not in the audit')).length, 1);
  sink.always = { kind: 'accepted', seq: 1 };
  await ask('add/3', REQUEST);
  await until(() => sink.drafts.length === 5, 'all that were owed', DEADLINE_MS);
  assert.deepEqual(
    sink.drafts.map((draft) => valuesOf(draft)['id']),
    ['1', '1', '1', '2', '3'],
  );
});

test('an audit event that the ledger knows with another outcome is told, and the next ones come through', async (t) => {
  const sink = new HandLedger();
  const { ask, desk } = await deskRig(t, { auditSink: sink });
  await ask('add/1', REQUEST);
  sink.settle(0, { kind: 'conflict' });
  await until(() => desk.counters.unaudited === 1, 'the count', DEADLINE_MS);
  sink.always = { kind: 'accepted', seq: 1 };
  await ask('add/2', REQUEST);
  assert.deepEqual(
    sink.drafts.map((draft) => valuesOf(draft)['id']),
    ['1', '2'],
  );
});

test('a ledger that never answers does not hold up commands', async (t) => {
  const { ask } = await deskRig(t, { auditSink: new HandLedger() });
  for (const id of ['1', '2', '3']) assert.equal(codeOf(await ask(`add/${id}`, REQUEST)), undefined);
});

test('no sensor may have its events on the stream of the audit', () => {
  const [problem] = bad(withRoute({ event: { ...route.event, stream: 'audit' } }));
  assert.equal(
    problem === undefined ? '' : problemText('device.json', problem),
    'device.json /sensors/0/routes/0/event/stream: must be another name: the stream "audit" is the agent\'s own, got "audit"',
  );
});
