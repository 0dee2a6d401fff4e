/** The command ledger: a changing command runs at most once for its id, over restarts, kills and disks that fail. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SignedBy } from '../../src/command/authorise.ts';
import { CommandLedger } from '../../src/command/command-ledger.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { stateStore } from '../../src/platform/state-store.ts';
import type { StateStore } from '../../src/ports.ts';
import { testRandom } from '../rig/random.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { NO_LOG } from '../state/count.ts';
import { codeOf, DEADLINE_MS, deskRig, type FinishWrite, handClock, heldState, slowCommand } from './desk-rig.ts';

const REQUEST = '{"args":{"a":1,"b":2},"by":"ops"}';
const DAY_MS = 86_400_000;

interface Kept {
  readonly epoch: string;
  readonly last: number;
  readonly records: readonly Readonly<Record<string, unknown>>[];
}

async function kept(directory: string): Promise<Kept> {
  const text = await readFile(join(directory, 'commands.json'), 'utf8');
  return (JSON.parse(text) as { readonly data: Kept }).data;
}

async function put(directory: string, value: unknown): Promise<void> {
  const document = await stateStore(directory, NO_LOG).open<unknown>('commands', () => undefined, {});
  await document.write(value);
}

/** So many commands of the past, each with an outcome. */
async function fill(directory: string, count: number, atMs: number | undefined, message = 'x'): Promise<void> {
  const records = Array.from({ length: count }, (_, at) => ({
    number: at + 1,
    command: 'add',
    id: `old-${at}`,
    request: 'r',
    ...(atMs === undefined ? {} : { atMs }),
    outcome: { status: 'failed', error: { code: 'command.failed', message } },
  }));
  await put(directory, { epoch: 'e', last: count, records });
}

test('it is on disk that a changing command runs before it does, and its outcome before it is answered', async (t) => {
  const slow = slowCommand();
  const { send, ask, answers, directory } = await deskRig(t, { commands: [slow.command] });
  send('slow/1', '{"args":{"secret":"s3cr3t"},"by":"ops"}');
  await until(() => slow.runs() === 1, 'the command to run', DEADLINE_MS);
  const [running] = (await kept(directory)).records;
  const { command, id, by, outcome } = running ?? {};
  assert.deepEqual({ command, id, by, outcome }, { command: 'slow', id: '1', by: 'ops', outcome: undefined });
  assert.match(String(running?.['request']), /^[\w-]{43}$/);
  slow.end();
  await until(() => answers.length === 1, 'the answer', DEADLINE_MS);
  const text = await readFile(join(directory, 'commands.json'), 'utf8');
  assert.match(text, /"outcome":\{"status":"succeeded","result":\{"run":1\}\}/);
  assert.doesNotMatch(text, /s3cr3t/);
  const before = text;
  await ask('slow/1', '{"args":{"secret":"s3cr3t"},"by":"ops"}');
  await ask('slow/2', '{"args":{"secret":1}}');
  await ask('ping/1', '');
  assert.equal(await readFile(join(directory, 'commands.json'), 'utf8'), before, 'what changes nothing was written');
});

test('the same id gets the same outcome after a restart, and another request by it is rejected', async (t) => {
  const first = await deskRig(t);
  const { document } = await first.ask('add/1', REQUEST);
  const again = await deskRig(t, { directory: first.directory });
  assert.deepEqual((await again.ask('add/1', REQUEST)).document, { ...document, repeated: true });
  assert.equal(codeOf(await again.ask('add/1', '{"args":{"a":1,"b":3}}')), 'command.id-reused');
  assert.deepEqual([first.runs(), again.runs()], [1, 0]);
  const off = await deskRig(t, { directory: first.directory, policy: {} });
  assert.deepEqual((await off.ask('add/1', REQUEST)).document, { ...document, repeated: true });
});

test('a command in whose middle the agent ended is in doubt for ever, and never run again', async (t) => {
  const slow = slowCommand();
  const { send, directory } = await deskRig(t, { commands: [slow.command] });
  send('slow/1', '{}');
  await until(() => slow.runs() === 1, 'the command to run', DEADLINE_MS);
  for (let start = 0; start < 3; start += 1) {
    const next = slowCommand();
    const { ask } = await deskRig(t, { directory, commands: [next.command] });
    const answer = await ask('slow/1', '{}');
    assert.deepEqual([answer.document['status'], answer.document['repeated']], ['in_doubt', true]);
    assert.equal(codeOf(answer), 'command.in-doubt');
    assert.equal(codeOf(await ask('slow/1', '{"args":{}}')), 'command.id-reused');
    assert.equal(next.runs(), 0);
  }
});

test('a changing command that can not be written down is rejected and not run; later it is, by the same id', async (t) => {
  const directory = join(await temporaryDirectory(t), 'state');
  await writeFile(directory, 'a file where the state directory should be');
  const rig = await deskRig(t, { directory });
  const answer = await rig.ask('add/1', REQUEST);
  assert.deepEqual([answer.document['status'], codeOf(answer), rig.runs()], ['rejected', 'command.disk', 0]);
  assert.equal((await rig.ask('ping/1', '')).document['status'], 'succeeded');
  let fails = true;
  const mended = await deskRig(t, {
    state: heldState((finish) => finish(fails ? new Error('EIO') : undefined)),
  });
  assert.equal(codeOf(await mended.ask('add/1', REQUEST)), 'command.disk');
  fails = false;
  assert.deepEqual((await mended.ask('add/1', REQUEST)).document['result'], { sum: 3 });
});

test('an outcome that can not be written is answered as it is, and in doubt after a restart', async (t) => {
  const disk: { text: string | undefined } = { text: undefined };
  let writes = 0;
  const state = (): StateStore =>
    heldState((finish) => {
      writes += 1;
      finish(writes === 2 ? new Error('EIO') : undefined);
    }, disk);
  const rig = await deskRig(t, { state: state() });
  const { document } = await rig.ask('add/1', REQUEST);
  assert.equal(document['status'], 'succeeded');
  assert.deepEqual((await rig.ask('add/1', REQUEST)).document, { ...document, repeated: true });
  const restarted = await deskRig(t, { state: state() });
  assert.equal((await restarted.ask('add/1', REQUEST)).document['status'], 'in_doubt');
  assert.equal(restarted.runs(), 0);
});

test('an outcome younger than seven days is never forgotten for a new command', async (t) => {
  const { hand, clock } = handClock('set');
  const directory = await temporaryDirectory(t);
  await fill(directory, 1000, hand.wallMs() - DAY_MS);
  const { ask, runs } = await deskRig(t, { directory, clock });
  assert.equal(codeOf(await ask('add/new', REQUEST)), 'command.ledger-full');
  assert.equal(runs(), 0);
  assert.equal((await ask('ping/1', '')).document['status'], 'succeeded');
  hand.pass(6 * DAY_MS);
  assert.deepEqual((await ask('add/new', REQUEST)).document['result'], { sum: 3 });
  const ids = (await kept(directory)).records.map(({ id }) => id);
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [1000, 'old-1', 'new']);
});

test('a ledger full of unsigned commands still takes signed ones', async (t) => {
  const { hand, clock } = handClock('set');
  const directory = await temporaryDirectory(t);
  await fill(directory, 1000, hand.wallMs());
  const ledger = new CommandLedger({ state: stateStore(directory, NO_LOG), clock, chance: systemChance, log: NO_LOG });
  await ledger.open(() => false);
  const begin = async (id: string, signed?: SignedBy): Promise<string> => {
    const request = { command: 'add', id, request: 'r', topic: 'up/response', by: undefined, own: undefined };
    const { kind } = await ledger.begin({ ...request, correlation: undefined, signed });
    if (kind === 'begun') await ledger.end('add', id, { status: 'succeeded' });
    return kind;
  };
  assert.equal(await begin('harmless'), 'full');
  for (let n = 1; n <= 100; n += 1) {
    assert.equal(await begin(`help-${n}`, { principal: 'ops', key: 'SHA256:k', n }), 'begun');
  }
  assert.equal(await begin('help-101', { principal: 'ops', key: 'SHA256:k', n: 101 }), 'full');
  assert.equal(await begin('harmless'), 'full');
  hand.pass(7 * DAY_MS);
  assert.equal(await begin('harmless'), 'begun');
  await ledger.close();
});

test("the device's own schedule fills nothing: what it ran gives room, however young", async (t) => {
  const { hand, clock } = handClock('set');
  const directory = await temporaryDirectory(t);
  await fill(directory, 999, hand.wallMs());
  const { desk, ask, answers } = await deskRig(t, { directory, clock });
  for (let at = 0; at < 3; at += 1) await desk.runScheduled('add', { a: 1, b: 2 }, `schedule.0.${at}`);
  assert.deepEqual(
    answers.map(({ document }) => document['status']),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.equal((await ask('add/1', REQUEST)).document['status'], 'succeeded');
  assert.equal(codeOf(await ask('add/2', REQUEST)), 'command.ledger-full');
});

test('full is also what has too many bytes, and room for the outcome is kept before a command runs', async (t) => {
  for (const [count, code] of [
    [128, undefined],
    // Room for the command, not for all that it may say.
    [129, 'command.ledger-full'],
  ] as const) {
    const { hand, clock } = handClock('set');
    const directory = await temporaryDirectory(t);
    await fill(directory, count, hand.wallMs() - DAY_MS, 'x'.repeat(3900));
    const { ask } = await deskRig(t, { directory, clock });
    assert.equal(codeOf(await ask('add/1', REQUEST)), code);
  }
});

test('without a clock the count alone says what is kept; what was not dated, or dated ahead, counts from now', async (t) => {
  const directory = await temporaryDirectory(t);
  await fill(directory, 1000, undefined);
  const blind = handClock('unknown');
  const first = await deskRig(t, { directory, clock: blind.clock });
  assert.equal((await first.ask('add/new', REQUEST)).document['status'], 'succeeded');
  const seeing = handClock('set');
  const second = await deskRig(t, { directory, clock: seeing.clock });
  assert.equal(codeOf(await second.ask('add/newer', REQUEST)), 'command.ledger-full');
  seeing.hand.pass(7 * DAY_MS);
  assert.equal((await second.ask('add/newer', REQUEST)).document['status'], 'succeeded');

  const ahead = await temporaryDirectory(t);
  const back = handClock('set');
  await fill(ahead, 1000, back.hand.wallMs() + 365 * DAY_MS);
  const third = await deskRig(t, { directory: ahead, clock: back.clock });
  assert.equal(codeOf(await third.ask('add/new', REQUEST)), 'command.ledger-full');
  back.hand.pass(7 * DAY_MS);
  assert.equal((await third.ask('add/new', REQUEST)).document['status'], 'succeeded');
});

test('a result that is too large to keep is answered once; its repeat says that it is done', async (t) => {
  const slow = slowCommand();
  const large = { ...slow.command, run: () => 'x'.repeat(10_000) };
  const { ask } = await deskRig(t, { commands: [large] });
  assert.equal(String((await ask('slow/1', '{}')).document['result']).length, 10_000);
  const again = (await ask('slow/1', '{}')).document;
  assert.deepEqual(again, { v: 1, id: '1', command: 'slow', status: 'succeeded', repeated: true });
});

test('nonsense in the place of the document is none', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const nonsense of [null, [], { records: {} }, { epoch: 'e', last: 1, records: [{ outcome: 1 }] }, 7]) {
    await put(directory, nonsense);
    const { ask } = await deskRig(t, { directory });
    assert.equal((await ask('add/1', REQUEST)).document['status'], 'succeeded');
  }
});

test('delivered again and again, over kills at every step and a disk that fails, a command runs at most once', async (t) => {
  const random = testRandom(t);
  const seen = new Set<unknown>();
  for (let round = 0; round < 60; round += 1) {
    const disk: { text: string | undefined } = { text: undefined };
    const effects = new Map<string, number>();
    const finals = new Map<string, Set<unknown>>();
    for (let life = 0; life < 4; life += 1) {
      const writes: FinishWrite[] = [];
      const ends: (() => void)[] = [];
      let killed = false;
      const slow = slowCommand().command;
      const ids = ['1', '2', '3'];
      const { desk, answers, send } = await deskRig(t, {
        state: heldState((finish) => writes.push((...how) => killed || finish(...how)), disk),
        clock: handClock('set').clock,
        commands: ids.map((id) => ({
          ...slow,
          name: `slow${id}`,
          run: () => {
            effects.set(id, (effects.get(id) ?? 0) + 1);
            return new Promise((resolve) => ends.push(() => resolve(id)));
          },
        })),
        policy: { slow1: 'on', slow2: 'on', slow3: 'on' },
      });
      for (let step = random.whole(0, 25); step > 0; step -= 1) {
        const what = random.whole(0, 9);
        const id = ids[random.whole(0, 2)] ?? '1';
        if (what < 4) send(`slow${id}/x`, '{}');
        else if (what < 7) writes.shift()?.();
        else if (what < 8) writes.shift()?.(new Error('EIO'), random.whole(0, 1) === 0);
        else ends.shift()?.();
        await new Promise(setImmediate);
      }
      killed = true;
      assert.equal(desk.counters.dropped, 0);
      for (const { document } of answers) {
        seen.add(document['status']);
        const status = document['status'];
        if (status === 'executing' || status === 'rejected') continue;
        const command = String(document['command']);
        finals.set(command, (finals.get(command) ?? new Set()).add(status));
      }
    }
    for (const [id, count] of effects) assert.ok(count <= 1, `${id} ran ${count} times in round ${round}`);
    for (const statuses of finals.values()) {
      statuses.delete('in_doubt');
      assert.ok(statuses.size <= 1, [...statuses].join());
    }
  }
  assert.deepEqual(seen, new Set(['executing', 'in_doubt', 'rejected', 'succeeded']));
});
