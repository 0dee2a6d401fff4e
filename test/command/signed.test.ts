/** Signed requests at the desk, signed by OpenSSH's own ssh-keygen: whose count, for what, when, and that each counts once. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as v from 'valibot';
import { defineCommand } from '../../src/command/command.ts';
import { pingCommand } from '../../src/command/ping.ts';
import { commandSigners } from '../../src/platform/command-signers.ts';
import type { ClockQuality, SignatureJudge } from '../../src/ports.ts';
import { testRandom } from '../rig/random.ts';
import { makeSshKey, sshSign, type SshKeyPair } from '../rig/ssh.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';
import { NO_LOG } from '../state/count.ts';
import { codeOf, DEADLINE_MS, deskRig, type DeskRig, type FinishWrite, handClock, heldState } from './desk-rig.ts';

const POLICY = { set: 'signed', burn: 'signed', loose: 'on', look: 'signed', ping: 'on' } as const;

interface SignedRig extends DeskRig {
  readonly key: SshKeyPair;
  readonly ran: readonly string[];
  /** A request as an operator would send it; `body` has what differs from the ordinary. */
  readonly signed: (body: Readonly<Record<string, unknown>>, key?: SshKeyPair) => string;
  /** Another desk on the same files, as after a restart. */
  readonly restarted: () => Promise<SignedRig>;
}

async function signedRig(
  t: TestContext,
  options: { readonly quality?: ClockQuality; readonly directory?: string; readonly key?: SshKeyPair } = {},
): Promise<SignedRig> {
  const { quality = 'set', directory = await temporaryDirectory(t) } = options;
  const key = options.key ?? makeSshKey(directory, 'key');
  const file = join(directory, 'allowed_signers');
  await writeFile(file, `ops@example.org ${key.line}\n`, { mode: 0o644 });
  const ran: string[] = [];
  const named = (name: string, changes: boolean, dangerous?: true) =>
    defineCommand({
      name,
      changes,
      ...(dangerous === undefined ? {} : { dangerous }),
      summary: 'Runs.',
      args: v.strictObject({ a: v.optional(v.number()) }),
      result: v.undefined(),
      run: (_args, { id }) => void ran.push(`${name}/${id}`),
    });
  const { clock } = handClock(quality);
  const rig = await deskRig(t, {
    directory,
    clock,
    policy: POLICY,
    signatures: commandSigners(file, clock, NO_LOG),
    commands: [
      named('set', true),
      named('burn', true, true),
      named('loose', true),
      named('look', false),
      pingCommand(clock, { id: 'boot', uptimeMs: () => 1 }),
    ],
  });
  let n = 0;
  return {
    ...rig,
    key,
    ran,
    signed: (body, by = key) => {
      n += 1;
      const text = JSON.stringify({ device: 'pump-42', command: 'set', n, ...body });
      return JSON.stringify({ v: 1, body: text, sig: sshSign(by, text) });
    },
    restarted: () => signedRig(t, { ...options, directory, key }),
  };
}

test('who may has a command run by signing it, and the audit says who it was', async (t) => {
  const { ask, signed, ran, audits, key, accepted } = await signedRig(t);
  assert.equal(codeOf(await ask('set/0', '{}')), 'signature.missing');
  assert.equal(codeOf(await ask('set/00', '')), 'signature.missing');
  const { document } = await ask('set/1', signed({ id: '1', by: 'anybody', args: { a: 1 } }));
  assert.equal(document['status'], 'succeeded');
  assert.deepEqual([ran, accepted], [['set/1'], ['set/1']]);
  await until(() => audits.length === 1, 'the audit', DEADLINE_MS);
  const { signer, key: fingerprint, by } = audits[0]?.data ?? {};
  assert.deepEqual([signer?.value, fingerprint?.value, by?.value], ['ops@example.org', key.fingerprint, 'anybody']);
});

test('a repeat of the same bytes gets the same answer, also when later numbers were used, also after a restart', async (t) => {
  const rig = await signedRig(t);
  const first = rig.signed({ id: '1' });
  const done = await rig.ask('set/1', first);
  await rig.ask('set/2', rig.signed({ id: '2' }));
  assert.deepEqual((await rig.ask('set/1', first)).document, { ...done.document, repeated: true });
  const later = await rig.restarted();
  assert.deepEqual((await later.ask('set/1', first)).document, { ...done.document, repeated: true });
  assert.deepEqual([rig.ran, later.ran], [['set/1', 'set/2'], []]);
});

test('a number counts once and only upwards, for each key by itself, also after a restart', async (t) => {
  const rig = await signedRig(t);
  assert.equal((await rig.ask('set/1', rig.signed({ id: '1', n: 5 }))).document['status'], 'succeeded');
  for (const n of [5, 4, 1])
    assert.equal(codeOf(await rig.ask(`set/n${n}`, rig.signed({ id: `n${n}`, n }))), 'signature.counter');
  // The number of what was signed and only read is used up too.
  assert.equal(
    (await rig.ask('look/1', rig.signed({ id: '1', command: 'look', n: 7 }))).document['status'],
    'succeeded',
  );
  const later = await rig.restarted();
  for (const n of [7, 6])
    assert.equal(codeOf(await later.ask(`set/m${n}`, later.signed({ id: `m${n}`, n }))), 'signature.counter');
  assert.equal((await later.ask('set/8', later.signed({ id: '8', n: 8 }))).document['status'], 'succeeded');
  const other = makeSshKey(rig.directory, 'other');
  const file = join(rig.directory, 'allowed_signers');
  await writeFile(file, `${await readFile(file, 'utf8')}second@example.org ${other.line}\n`);
  assert.equal((await later.ask('set/9', later.signed({ id: '9', n: 1 }, other))).document['status'], 'succeeded');
  for (const n of [0, -1, 1.5, 2 ** 53, '9', undefined]) {
    const id = `x${String(n)}`;
    assert.equal(codeOf(await later.ask(`set/${id}`, later.signed({ id, n }))), 'signature.counter', id);
  }
});

test('a signed request that found the disk full may be sent again as it is, and then counts once', async (t) => {
  const { signed, directory, key } = await signedRig(t);
  let isFull = true;
  const state = heldState((finish) => finish(isFull ? new Error('ENOSPC') : undefined, !isFull));
  const file = join(directory, 'allowed_signers');
  const { clock } = handClock('set');
  const commands = [pingCommand(clock, { id: 'boot', uptimeMs: () => 1 })];
  const options = {
    clock,
    commands,
    policy: { ping: 'signed' },
    signatures: commandSigners(file, clock, NO_LOG),
  } as const;
  const { ask } = await deskRig(t, { ...options, state });
  const request = signed({ id: 'p', command: 'ping', n: 7 }, key);
  const codes: unknown[] = [];
  for (const full of [true, true, false, false]) {
    isFull = full;
    const answer = await ask('ping/p', request);
    codes.push([codeOf(answer) ?? answer.document['status'], answer.document['repeated']]);
  }
  assert.deepEqual(codes, [
    ['command.disk', false],
    ['command.disk', false],
    ['succeeded', false],
    ['succeeded', true],
  ]);
  const other = await ask('ping/q', signed({ id: 'q', command: 'ping', n: 7 }, key));
  assert.equal(codeOf(other), 'signature.counter');
});

test('a number far ahead locks nobody out where the clock can tell', async (t) => {
  const nowMs = handClock('synced').hand.wallMs();
  const cases: readonly [ClockQuality, number, string | undefined][] = [
    ['synced', nowMs + 86_400_001, 'signature.counter'],
    ['synced', nowMs + 80_000_000, undefined],
    ['set', nowMs + 1e12, undefined],
    ['unknown', Number.MAX_SAFE_INTEGER, undefined],
  ];
  for (const [quality, n, code] of cases) {
    const rig = await signedRig(t, { quality });
    assert.equal(codeOf(await rig.ask('set/1', rig.signed({ id: '1', n }))), code, `${quality} ${n}`);
  }
});

test('a signature counts for its device, command and id, and for all devices only where nothing changes', async (t) => {
  const { ask, signed, ran } = await signedRig(t);
  const code = async (topic: string, body: object): Promise<unknown> => codeOf(await ask(topic, signed({ ...body })));
  assert.equal(await code('set/1', { id: '1', device: 'pump-43' }), 'signature.device');
  assert.equal(await code('set/2', { id: '2', device: '*' }), 'signature.device');
  assert.equal(await code('set/3', { id: '3', device: ['pump-43', 'pump-42'] }), undefined);
  assert.equal(await code('set/4', { id: '4', device: [] }), 'signature.device');
  assert.equal(await code('set/5', { id: '5', device: undefined }), 'signature.device');
  assert.equal(
    await code('set/6', { id: '6', device: Array.from({ length: 65 }, () => 'pump-42') }),
    'signature.device',
  );
  assert.equal(await code('set/7', { id: '7', command: 'loose' }), 'signature.command');
  assert.equal(await code('set/8', { id: '9' }), 'request.id');
  assert.equal(await code('set/10', {}), 'request.id');
  assert.equal(await code('look/1', { id: '1', command: 'look', device: '*' }), undefined);
  assert.deepEqual(ran, ['set/3', 'look/1']);
});

test('a dangerous command is signed for the session that there is; a captured one is of no use in the next', async (t) => {
  const { ask, signed, ran } = await signedRig(t);
  const burn = async (id: string, ctx: unknown): Promise<unknown> =>
    codeOf(await ask(`burn/${id}`, signed({ id, command: 'burn', ctx })));
  assert.equal(await burn('1', undefined), 'signature.session');
  assert.equal(await burn('2', { nonce: 'session-0' }), 'signature.session');
  for (const [at, ctx] of [null, 'session-1', {}, { nonce: 5 }, { nonce: 'session-1', more: 1 }].entries()) {
    assert.equal(await burn(`x${at}`, ctx), 'signature.session', JSON.stringify(ctx));
  }
  assert.equal(await burn('3', { nonce: 'session-1' }), undefined);
  assert.equal(codeOf(await ask('set/1', signed({ id: '1', ctx: { nonce: 'session-0' } }))), 'signature.session');
  assert.deepEqual(ran, ['burn/3']);
});

test('a wrong signature is refused where none is asked for, and before anything in the request is judged', async (t) => {
  const { ask, signed, ran, directory } = await signedRig(t);
  const stranger = makeSshKey(directory, 'stranger');
  assert.equal(codeOf(await ask('loose/1', signed({ id: '1', command: 'loose' }, stranger))), 'signature.signer');
  const changed = signed({ id: '2', command: 'loose', args: { a: 1 } }).replace('\\"a\\":1', '\\"a\\":2');
  assert.equal(codeOf(await ask('loose/2', changed)), 'signature.wrong');
  assert.equal(
    codeOf(await ask('set/3', signed({ id: 'other', nonsense: 1, args: { b: 1 } }, stranger))),
    'signature.signer',
  );
  assert.equal(codeOf(await ask('set/4', signed({ id: '4', args: { b: 1 } }))), 'args.invalid');
  assert.equal(codeOf(await ask('set/5', signed({ id: '5', nonsense: 1 }))), 'request.unknown-key');
  assert.equal(
    (await ask('set/6', signed({ id: '6', expires: '2020-01-01T00:00:00Z' }))).document['status'],
    'expired',
  );
  assert.equal(codeOf(await ask('set/7', '{"body":"{}","sig":"nonsense"}')), 'signature.malformed');
  assert.equal((await ask('loose/8', signed({ id: '8', command: 'loose' }))).document['status'], 'succeeded');
  assert.equal((await ask('loose/9', '{}')).document['status'], 'succeeded');
  assert.deepEqual(ran, ['loose/8', 'loose/9']);
});

test('over kills at every write and a disk that fails, whatever was captured and sent again runs at most once', async (t) => {
  const random = testRandom(t);
  const judge: SignatureJudge = { judge: () => ({ kind: 'good', signer: { principal: 'p', key: 'k' } }) };
  let runsInAll = 0;
  for (let round = 0; round < 150; round += 1) {
    const disk: { text: string | undefined } = { text: undefined };
    const effects = new Map<string, number>();
    const captured: { readonly topic: string; readonly payload: string }[] = [];
    let n = 0;
    for (let life = 0; life < 4; life += 1) {
      const writes: FinishWrite[] = [];
      let killed = false;
      const command = defineCommand({
        name: 'set',
        changes: true,
        summary: 'Runs.',
        args: v.strictObject({}),
        result: v.undefined(),
        run: (_args, { id }) => void effects.set(id, (effects.get(id) ?? 0) + 1),
      });
      const { send } = await deskRig(t, {
        state: heldState((finish) => writes.push((...how) => killed || finish(...how)), disk),
        clock: handClock('set').clock,
        policy: { set: 'signed' },
        signatures: judge,
        commands: [command],
      });
      for (let step = random.whole(0, 20); step > 0; step -= 1) {
        const what = random.whole(0, 9);
        if (what < 3) {
          n += 1;
          const id = `${n}`;
          const body = JSON.stringify({ id, device: 'pump-42', command: 'set', n });
          captured.push({ topic: `set/${id}`, payload: JSON.stringify({ body, sig: 's' }) });
        }
        const again = captured[what < 3 ? captured.length - 1 : random.whole(0, Math.max(0, captured.length - 1))];
        if (what < 6 && again !== undefined) send(again.topic, again.payload);
        else if (what < 9) writes.shift()?.();
        else writes.shift()?.(new Error('EIO'), random.whole(0, 1) === 0);
        await new Promise(setImmediate);
      }
      killed = true;
      // What the command ledger has forgotten by now is kept out by the number alone.
      if (disk.text !== undefined && random.whole(0, 1) === 0) {
        const { records, ...others } = JSON.parse(disk.text) as { readonly records: readonly object[] };
        assert.ok(Array.isArray(records));
        disk.text = JSON.stringify({ ...others, records: [] });
      }
    }
    for (const [id, count] of effects) assert.ok(count <= 1, `${id} ran ${count} times in round ${round}`);
    runsInAll += effects.size;
  }
  assert.ok(runsInAll > 100, `only ${runsInAll} commands ran`);
});
