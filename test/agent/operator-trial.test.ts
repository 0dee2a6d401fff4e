/**
 * `fieldpost command` and what takes longer than its first answer, against a running agent on a real Mosquitto with mutual TLS:
 * a change on trial is seen through, and asked for again, signed, by whoever went away meanwhile. And the recipe for a new
 * certificate, as docs/OPERATIONS.md has it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { exchange } from '../../src/cli/command-exchange.ts';
import { loadIdentity } from '../../src/platform/identity.ts';
import { Child } from '../../src/workbench/child.ts';
import { makeSshKey } from '../rig/ssh.ts';
import { until } from '../rig/wait.ts';
import { configure, type Document, responses, ROOT } from './operator.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 30_000;
const PROGRAM = join(import.meta.dirname, '../../dist/fieldpost.mjs');

interface Operator {
  readonly stage: Stage;
  readonly start: (...args: readonly string[]) => Child;
  readonly key: string;
  /** Where open requests are kept. */
  readonly kept: string;
}

async function setOperator(t: TestContext, commands: Document): Promise<Operator> {
  const stage = await setStage(t);
  const { directory, broker, agent } = stage;
  const key = makeSshKey(directory, 'operator-key');
  const file = join(directory, 'allowed_signers');
  await writeFile(file, `ops@example.org ${key.line}\n`, { mode: 0o644 });
  await configure(stage, () => ({ commands, signers: { file }, remote: { allow: ['/broker/keepAlive'] } }));
  agent.start();
  await agent.child.line(/broker connected/, DEADLINE_MS);
  const home = join(directory, 'home');
  await mkdir(home);
  const tls = (name: string): string => join(directory, 'tls', name);
  const at = ['--device', 'pump-42', '--url', `mqtts://127.0.0.1:${broker.port}`, '--ca', tls('ca.pem')];
  const who = ['--cert', tls('operator.pem'), '--private-key', tls('operator.key')];
  const start = (...args: readonly string[]): Child =>
    new Child({
      command: process.execPath,
      args: [PROGRAM, 'command', ...args, ...at, ...who],
      env: { XDG_STATE_HOME: home },
    });
  return { stage, start, key: key.path, kept: join(home, 'fieldpost/requests') };
}

async function ended(
  child: Child,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const { code } = await child.exited;
  return { code, out: child.outLines.join('\n'), err: child.lines.join('\n') };
}

test('a signed change on trial that outlasts --within is told as that, and asked for again by its id it tells its end', async (t) => {
  const { start, key, kept } = await setOperator(t, { 'config.set': 'signed', 'config.confirm': 'signed' });
  const change = ['config.set', 'base=0', 'patch.broker.keepAlive=40s', 'within=2m', '--sign', key];
  const set = await ended(start(...change, '--within', '4s'));
  assert.equal(set.code, 69, set.err);
  const told =
    /pump-42 is still executing (\w+) \(on trial until 20[^)]+\): it has not ended within 4s; ask again with --id (\w+)/;
  const [, id = '', same] = told.exec(set.err) ?? [];
  assert.equal(same, id, set.err);
  const [, token = ''] = / {2}token: (\w+)/.exec(set.out) ?? [];
  assert.notEqual(token, '', set.out);
  const file = join(kept, `${id}.json`);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const other = await ended(start('ping', '--id', id));
  assert.deepEqual([other.code, /was config.set to pump-42/.test(other.err)], [64, true], other.err);

  const again = start('config.set', '--id', id);
  await until(() => again.outLines.length > 0, 'that it still executes', DEADLINE_MS);
  assert.match(again.outLines[0] ?? '', /pump-42 config.set executing \(known from before\)/);
  const confirm = await ended(start('config.confirm', `token=${token}`, '--sign', key));
  assert.equal(confirm.code, 0, confirm.out + confirm.err);
  const end = await ended(again);
  assert.deepEqual([end.code, /config.set succeeded\n {2}revision: 1/.test(end.out)], [0, true], end.out + end.err);
  assert.equal(existsSync(file), false, 'the request is kept although its end was seen');
});

test('a device that has answered is waited for longer than the first answer, to the end of its trial', async (t) => {
  const { stage } = await setOperator(t, { 'config.set': 'on' });
  const tls = (name: string): string => join(stage.directory, 'tls', name);
  const { ca, cert, key, certificate } = loadIdentity({
    ca: tls('ca.pem'),
    cert: tls('operator.pem'),
    key: tls('operator.key'),
  });
  assert.ok(certificate !== undefined);
  const answers: Document[] = [];
  const wait = { answerMs: 4000, endMs: 60_000 };
  const isEnded = await exchange({
    url: `mqtts://127.0.0.1:${stage.broker.port}`,
    protocol: 5,
    credentials: { ca, cert, key, crl: undefined, certificate, username: undefined, password: undefined },
    clientIdentifier: 'operator-trial',
    topic: `${ROOT}/down/command/config.set/c1`,
    answers: `${ROOT}/up/response/config.set/c1`,
    responseTopic: `${ROOT}/up/response/config.set/c1`,
    correlationData: randomBytes(12),
    statusTopic: undefined,
    request: async () =>
      Buffer.from(JSON.stringify({ args: { base: 0, patch: { broker: { keepAlive: '40s' } }, within: '10s' } })),
    wait,
    onAnswer: ({ payload }) => {
      const answer = JSON.parse(payload.toString('utf8')) as Document;
      answers.push(answer);
      return answer['status'] === 'failed';
    },
    tell: () => undefined,
  });
  const last = answers.at(-1)?.['error'] as Document | undefined;
  assert.deepEqual([isEnded, last?.['code']], [true, 'config.reverted'], JSON.stringify(answers));
});

test('a new certificate by three commands: the request to a file, signed by the authority, installed', async (t) => {
  const { stage, start } = await setOperator(t, { 'certificate.csr': 'on', 'certificate.install': 'on' });
  const csr = join(stage.directory, 'pump-42.csr');
  const pem = join(stage.directory, 'pump-42.pem');
  const asked = await ended(start('certificate.csr', '--out', csr));
  assert.deepEqual([asked.code, asked.err.includes('checked')], [0, false], asked.err);
  assert.match(asked.out, /\n {2}csr:\n {4}-----BEGIN CERTIFICATE REQUEST-----\n/);
  const request = await readFile(csr, 'utf8');
  const openssl = new Child({ command: 'openssl', args: ['req', '-in', csr, '-noout', '-verify', '-subject'] });
  assert.equal((await openssl.exited).code, 0, openssl.lastWords());
  assert.match(openssl.outLines.join('\n'), /CN ?= ?pump-42/);
  await writeFile(pem, await stage.authority.issueFor(request));
  const installed = await ended(start('certificate.install', `certificate=@${pem}`));
  assert.equal(installed.code, 0, installed.out + installed.err);
});

test('the recipe of the docs signs a dangerous command by hand, for the session that there is', async (t) => {
  const { stage, key } = await setOperator(t, { 'config.set': 'signed' });
  const page = await readFile(join(import.meta.dirname, '../../docs/OPERATIONS.md'), 'utf8');
  const [recipe, ...others] = page
    .split('```sh\n')
    .map((each) => each.split('```')[0] ?? '')
    .filter((each) => each.startsWith('OPS=') && each.includes('nonce='));
  assert.ok(recipe !== undefined && others.length === 0, 'one recipe');
  const rest = recipe.split('\n').filter((line) => !/^(?:OPS|KEY)=/.test(line));
  const env = { OPS: stage.operatorArgs.join(' '), KEY: key };
  const script = ['cd "$0"', ...rest].join('\n');
  const shell = new Child({ command: 'bash', args: ['-euc', script, stage.directory], env });
  assert.equal((await shell.exited).code, 0, shell.lastWords());
  const found = await until(
    () =>
      responses(stage, 'config.set', 's1').find(({ phase, status }) => phase === 'probation' || status === 'rejected'),
    () => JSON.stringify(responses(stage, 'config.set', 's1')),
    DEADLINE_MS,
  );
  assert.deepEqual([found['phase'], found['revision']], ['probation', 1], JSON.stringify(found));
});
