/**
 * What of the agent can be reached and seen from outside: no listening port, no key in anything it says, and no argument of
 * any command that becomes a path or reaches a shell. The agent is the built one, on a real Mosquitto.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMAND_NAMES } from '../../src/config/command-names.ts';
import { Child } from '../../src/workbench/child.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 30_000;
const ROOT = 'fp/v1/pump-42';
const LISTEN = '0A';
/** Lines of a PEM body are 64 characters; a part of one would be a leak too. */
const PART = 24;

interface Document {
  readonly broker: { readonly tls: { readonly key: string; readonly cert: string } };
}

async function configure(stage: Stage, change: object): Promise<Document> {
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await writeFile(stage.config, JSON.stringify({ ...document, ...change }));
  return document;
}

async function connected(stage: Stage): Promise<number> {
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  // A command that comes before would be lost with the session that is not there yet.
  const subscribed = (): boolean => stage.broker.log.some((said) => said.endsWith(`${ROOT}/down/#`));
  await until(subscribed, 'the subscription to commands', DEADLINE_MS);
  return stage.agent.child.pid ?? 0;
}

/** Inodes of the sockets that this process has open. */
function socketsOf(pid: number): ReadonlySet<string> {
  const found = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const target = ((): string => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    })();
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined) found.add(inode);
  }
  return found;
}

/** Rows of a table of the kernel that are this process's, as [local address, state]. */
function rowsOf(pid: number, table: string): readonly (readonly [string, string])[] {
  const own = socketsOf(pid);
  const rows = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((cells) => own.has(cells[9] ?? ''))
    .map((cells) => [cells[1] ?? '', cells[3] ?? ''] as const);
}

test('the agent opens no listening port and no UDP port', async (t) => {
  const stage = await setStage(t);
  const pid = await connected(stage);
  const tcp = ['tcp', 'tcp6'].flatMap((table) => rowsOf(pid, table));
  // The connection to the broker and the one to the serial server.
  assert.ok(tcp.length >= 2, JSON.stringify(tcp));
  assert.deepEqual(
    tcp.filter(([, state]) => state === LISTEN),
    [],
  );
  assert.deepEqual(
    ['udp', 'udp6'].flatMap((table) => rowsOf(pid, table)),
    [],
  );
  // The same look finds the broker's port.
  assert.ok(['tcp', 'tcp6'].flatMap((table) => rowsOf(stage.broker.pid ?? 0, table)).some(([, s]) => s === LISTEN));
});

test('the private key shows in no log line, status, message, answer, command line or environment', async (t) => {
  const stage = await setStage(t);
  const commands = Object.fromEntries(
    ['status.get', 'info.get', 'certificate.status', 'metrics.get'].map((c) => [c, 'on']),
  );
  const { broker } = await configure(stage, { commands, log: { level: 'debug' } });
  const key = (await readFile(broker.tls.key, 'utf8'))
    .split('\n')
    .filter((line) => line.length >= PART && !line.startsWith('-'));
  assert.ok(key.length > 1);
  const pid = await connected(stage);
  for (const command of Object.keys(commands)) await publish(stage, command, 'k', '{}');
  for (const command of Object.keys(commands)) await answer(stage, command, 'k');
  const said = [
    ...stage.agent.child.lines,
    ...stage.agent.child.outLines,
    ...stage.seen().map((one) => JSON.stringify(one)),
    readFileSync(`/proc/${pid}/cmdline`, 'latin1'),
    readFileSync(`/proc/${pid}/environ`, 'latin1'),
  ];
  await stage.agent.term();
  // Keys that are none: their errors name the file and show nothing of it.
  const text = await readFile(broker.tls.key, 'utf8');
  for (const broken of [text.replace('BEGIN', 'BEGUN'), text.slice(0, text.length >> 1), text.replaceAll('\n', '')]) {
    await writeFile(broker.tls.key, broken);
    stage.agent.start();
    await until(
      () => stage.agent.child.ended !== undefined || stage.agent.child.lines.some((line) => / word=/.test(line)),
      'the refusal of the broken key',
      DEADLINE_MS,
    );
    said.push(...stage.agent.child.lines);
    await stage.agent.term();
  }
  const parts = key.flatMap((line) => [line.slice(0, PART), line.slice(-PART)]);
  for (const line of said) for (const part of parts) assert.ok(!line.includes(part), line);
});

const SECRET = 'fieldpost-secret';

test('no argument of any command becomes a path or reaches a shell', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace');
  const stage = await setStage(t);
  await configure(stage, { commands: Object.fromEntries(COMMAND_NAMES.map((name) => [name, 'on'])) });
  const secret = join(stage.directory, SECRET);
  await writeFile(secret, 'secret');
  await mkdir(join(stage.directory, 'state'), { recursive: true });
  await symlink(secret, join(stage.directory, 'state', `${SECRET}-link`));
  const pid = await connected(stage);
  const log = join(stage.directory, 'strace');
  const calls =
    'trace=execve,execveat,open,openat,openat2,unlink,unlinkat,rename,renameat,renameat2,stat,lstat,readlink';
  const strace = new Child({ command: 'strace', args: ['-f', '-p', String(pid), '-s', '512', '-o', log, '-e', calls] });
  t.after(() => strace.kill9());
  await strace.line(/attached/, DEADLINE_MS);
  const hostile = [secret, `../../../../../../../..${secret}`, `${SECRET}-link`];
  const shell = [
    `$(cat ${secret})`,
    `\`cat ${secret}\``,
    `; cat ${secret}; #`,
    `| sh -c 'cat ${secret}'`,
    '&& reboot\n',
  ];
  let asked = 0;
  for (const [at, name] of COMMAND_NAMES.entries()) {
    const value = [...hostile, ...shell][at % (hostile.length + shell.length)] as string;
    const id = `x${at}`;
    await publish(stage, name, id, JSON.stringify({ args: argsOf(name, value), by: value }));
    const { status } = await answer(stage, name, id);
    assert.ok(typeof status === 'string', name);
    asked += 1;
  }
  assert.equal(asked, COMMAND_NAMES.length);
  assert.equal(stage.agent.running, true);
  await strace.stop(5000);
  const seen = readFileSync(log, 'utf8').split('\n');
  await t.test('a path in any argument opens no file: absolute, climbing, or through a link', () => {
    assert.deepEqual(
      seen.filter((line) => line.includes(SECRET)),
      [],
    );
    // It saw what the agent did open meanwhile.
    assert.ok(seen.some((line) => /open/.test(line)));
  });
  await t.test('shell metacharacters in any argument start no program', () => {
    assert.deepEqual(
      seen.filter((line) => /\bexecve(?:at)?\(/.test(line)),
      [],
    );
  });
});

/** Arguments that the command knows, each with the hostile value, so that it is not refused for their names alone. */
function argsOf(name: string, value: string): object {
  if (name.startsWith('sensor.') || name.startsWith('telemetry.')) return { sensor: value };
  if (name === 'log.level') return { level: value };
  if (name.startsWith('events.')) return { epoch: value, from: 1, to: 1 };
  if (name === 'schedule.run') return { index: value };
  return { path: value, file: value, url: value };
}

async function publish(stage: Stage, command: string, id: string, payload: string): Promise<void> {
  const topic = `${ROOT}/down/command/${command}/${id}`;
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-V', '5', '-q', '1', '-t', topic, '-m', payload],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

async function answer(stage: Stage, command: string, id: string): Promise<Readonly<Record<string, unknown>>> {
  const topic = `${ROOT}/up/response/${command}/${id}`;
  const found = await until(
    () => stage.seen().find((one) => one.topic === topic),
    () => `the answer to ${command}; last: ${stage.agent.child.lastWords()}`,
    DEADLINE_MS,
  );
  return found.payload;
}
