/**
 * Signed commands and commands to a group on a real Mosquitto with mutual TLS, published with plain mosquitto_pub: signed by
 * ssh-keygen, over MQTT 5 and 3.1.1, over SIGKILL of the agent, and a replay of all that was captured.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { makeSshKey, sshSign, type SshKeyPair } from '../rig/ssh.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
const ROOT = 'fp/v1/pump-42';

type Document = Readonly<Record<string, unknown>>;

interface Signing extends Stage {
  readonly key: SshKeyPair;
}

async function setSigning(t: TestContext, change: Document, env = {}): Promise<Signing> {
  const stage = await setStage(t, { env });
  const key = makeSshKey(stage.directory, 'operator-key');
  const file = join(stage.directory, 'allowed_signers');
  await writeFile(file, `ops@example.org namespaces="fieldpost-cmd" ${key.line}\n`, { mode: 0o644 });
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await writeFile(stage.config, JSON.stringify({ ...document, signers: { file }, ...change }));
  return { ...stage, key };
}

async function publish(stage: Stage, topic: string, payload: string, version: '5' | '311'): Promise<void> {
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-V', version, '-q', '1', '-t', topic, '-m', payload],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

/** The final answer, the nth to this id. */
async function answer(stage: Stage, command: string, id: string, nth = 0): Promise<Document> {
  const topic = `${ROOT}/up/response/${command}/${id}`;
  const finals = (): readonly Document[] =>
    stage
      .seen()
      .filter((one) => one.topic === topic)
      .map(({ payload }) => payload)
      .filter(({ status }) => status !== 'accepted' && status !== 'executing');
  return until(
    () => finals()[nth],
    () => `answer ${nth} to ${command} ${id}; ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
}

function codeOf({ error }: Document): unknown {
  return (error as Document | undefined)?.['code'];
}

/** A request as a person with a shell would make it. */
function signedRequest(key: SshKeyPair, body: Document): string {
  const text = JSON.stringify({ device: 'pump-42', ...body });
  return JSON.stringify({ v: 1, body: text, sig: sshSign(key, text) });
}

async function session(stage: Stage): Promise<unknown> {
  const online = (): Document | undefined =>
    stage
      .seen()
      .filter(({ topic }) => topic === `${ROOT}/up/status`)
      .at(-1)?.payload;
  return (await until(() => (online()?.['state'] === 'online' ? online() : undefined), 'the status', DEADLINE_MS))[
    'session'
  ];
}

for (const version of ['5', '311'] as const) {
  test(`a signed command runs, an unsigned or changed one does not, and the audit names the key: ${version}`, async (t) => {
    const command = 'telemetry.pause';
    const stage = await setSigning(t, { commands: { [command]: 'signed' } });
    const topic = (id: string): string => `${ROOT}/down/command/${command}/${id}`;
    stage.agent.start();
    await session(stage);
    await publish(stage, topic('1'), '{"args":{"for":"1m"}}', version);
    assert.equal(codeOf(await answer(stage, command, '1')), 'signature.missing');
    const good = signedRequest(stage.key, { id: '2', command, n: Date.now(), args: { for: '1m' } });
    await publish(stage, topic('2'), good.replace('1m', '9m'), version);
    assert.equal(codeOf(await answer(stage, command, '2')), 'signature.wrong');
    const other = signedRequest(stage.key, { id: '3', command, n: Date.now(), args: { for: '1m' } });
    await publish(stage, topic('3'), other, version);
    const first = await answer(stage, command, '3');
    assert.deepEqual([first['status'], first['repeated']], ['succeeded', false]);
    await publish(stage, topic('3'), other, version);
    assert.deepEqual(await answer(stage, command, '3', 1), { ...first, repeated: true });
    const audit = await until(
      () => stage.seen().find((one) => one.topic === `${ROOT}/up/event/audit`),
      'the audit',
      DEADLINE_MS,
    );
    const { signer, key } = audit.payload['data'] as Readonly<Record<string, { readonly value: unknown }>>;
    assert.deepEqual([signer?.value, key?.value], ['ops@example.org', stage.key.fingerprint]);
  });
}

test('what was captured runs at most once, over SIGKILL of the agent at the write that uses the number up', async (t) => {
  const command = 'telemetry.pause';
  const stage = await setSigning(t, { commands: { [command]: 'signed' } }, { UV_THREADPOOL_SIZE: '1' });
  const captured = new Map<string, string>();
  const capture = (id: string, n: number): [string, string] => {
    const payload = signedRequest(stage.key, { id, command, n, args: { for: '1m' } });
    captured.set(id, payload);
    return [`${ROOT}/down/command/${command}/${id}`, payload];
  };
  // Killed at the write that would say that it runs, and at the one that would say how it ended.
  for (const [nth, id] of [
    [1, 'a'],
    [2, 'b'],
  ] as const) {
    const path = join(stage.directory, 'state/commands.json.new');
    const inject = `inject=fsync:signal=SIGKILL:when=${nth}`;
    stage.agent.start(['strace', '-f', '-o', '/dev/null', '-P', path, '-e', 'trace=fsync', '-e', inject]);
    await stage.agent.child.line(/broker connected/, DEADLINE_MS);
    await publish(stage, ...capture(id, nth), '5');
    await until(() => stage.agent.child.ended, 'the kill', DEADLINE_MS);
  }
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await publish(stage, ...capture('c', 3), '5');
  assert.equal((await answer(stage, command, 'c'))['status'], 'succeeded');
  // By the same id it is a repeat, by another it is not what was signed, and its number is used up.
  const ends: unknown[] = [];
  for (const [id, payload] of captured) {
    await publish(stage, `${ROOT}/down/command/${command}/${id}`, payload, '5');
    await publish(stage, `${ROOT}/down/command/${command}/other-${id}`, payload, '5');
    const { status, repeated } = await answer(stage, command, id, id === 'c' ? 1 : 0);
    ends.push(`${id} ${String(status)} ${String(repeated)}`);
    assert.equal(codeOf(await answer(stage, command, `other-${id}`)), 'request.id');
  }
  assert.match(String(ends[0]), /^a (?:rejected false|succeeded (?:true|false)|in_doubt true)$/);
  assert.deepEqual(ends.slice(1), ['b in_doubt true', 'c succeeded true']);
  await publish(stage, ...capture('d', 3), '5');
  assert.equal(codeOf(await answer(stage, command, 'd')), 'signature.counter');
});

test('a dangerous command counts for the session of the retained status, and in no other', async (t) => {
  const command = 'events.abandon';
  const stage = await setSigning(t, { commands: { [command]: 'signed' } });
  stage.agent.start();
  const abandon = async (id: string, n: number, nonce: unknown): Promise<unknown> => {
    const body = { id, command, n, args: { seq: 1 }, ctx: { nonce } };
    await publish(stage, `${ROOT}/down/command/${command}/${id}`, signedRequest(stage.key, body), '5');
    return codeOf(await answer(stage, command, id));
  };
  const before = await session(stage);
  assert.notEqual(await abandon('1', 1, before), 'signature.session');
  await stage.agent.term();
  stage.agent.start();
  await until(async () => (await session(stage)) !== before, 'another session', DEADLINE_MS);
  assert.equal(await abandon('2', 2, before), 'signature.session');
  assert.notEqual(await abandon('3', 3, await session(stage)), 'signature.session');
});

for (const version of ['5', '311'] as const) {
  test(`a group is asked at once, each device answers on its own topic in its own time: ${version}`, async (t) => {
    const device = { id: 'pump-42', groups: ['north', 'all'], groupSpread: '500ms' };
    const stage = await setSigning(t, { device, commands: { 'telemetry.resume': 'on' } });
    stage.agent.start();
    await session(stage);
    const signed = signedRequest(stage.key, { id: 'g1', device: '*', command: 'ping', n: 1 });
    await publish(stage, 'fp/v1/_group/north/down/command/ping/g1', signed, version);
    await publish(stage, 'fp/v1/_group/all/down/command/status.get/g2', '', version);
    await publish(stage, 'fp/v1/_group/all/down/command/telemetry.resume/g3', '{}', version);
    assert.equal((await answer(stage, 'ping', 'g1'))['status'], 'succeeded');
    assert.equal((await answer(stage, 'status.get', 'g2'))['status'], 'succeeded');
    assert.equal(codeOf(await answer(stage, 'telemetry.resume', 'g3')), 'command.group');
  });
}
