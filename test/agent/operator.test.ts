/**
 * `fieldpost command` against a running agent, on a real Mosquitto with mutual TLS: over MQTT 5 and 3.1.1, signed with a key of
 * ssh-keygen, to one device and to a group, and each exit status.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Child } from '../../src/workbench/child.ts';
import { makeSshKey, type SshKeyPair } from '../rig/ssh.ts';
import { until } from '../rig/wait.ts';
import { setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
/** Requests that nobody answers are kept there. */
const HOME = mkdtempSync(join(tmpdir(), 'fieldpost-operator-'));
const PROGRAM = join(import.meta.dirname, '../../dist/fieldpost.mjs');

after(() => rmSync(HOME, { recursive: true, force: true }));

type Document = Readonly<Record<string, unknown>>;

interface Said {
  readonly code: number | null;
  readonly out: readonly string[];
  readonly err: string;
}

interface Operator extends Stage {
  readonly key: SshKeyPair;
  readonly ask: (...args: readonly string[]) => Promise<Said>;
}

async function setOperator(t: TestContext, change: Document = {}): Promise<Operator> {
  const stage = await setStage(t);
  const key = makeSshKey(stage.directory, 'operator-key');
  const file = join(stage.directory, 'allowed_signers');
  await writeFile(file, `ops@example.org ${key.line}\n`, { mode: 0o644 });
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as Document;
  await writeFile(stage.config, JSON.stringify({ ...document, signers: { file }, ...change }));
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  const tls = join(stage.directory, 'tls');
  const files = [
    '--ca',
    join(tls, 'ca.pem'),
    '--cert',
    join(tls, 'operator.pem'),
    '--private-key',
    join(tls, 'operator.key'),
  ];
  const url = ['--url', `mqtts://127.0.0.1:${stage.broker.port}`];
  return {
    ...stage,
    key,
    ask: (...args) => run([...args, ...url, ...files]),
  };
}

async function run(args: readonly string[]): Promise<Said> {
  const env = { XDG_STATE_HOME: HOME };
  const child = new Child({ command: process.execPath, args: [PROGRAM, 'command', ...args], env });
  const { code } = await child.exited;
  return { code, out: child.outLines, err: child.lines.join('\n') };
}

const TO = ['--device', 'pump-42'];

for (const protocol of ['5', '4']) {
  test(`asks, shows the answer for people and for programs, and says by its status how it ended: MQTT ${protocol}`, async (t) => {
    const { ask } = await setOperator(t, { commands: { 'telemetry.pause': 'on' } });
    const over = [...TO, '--protocol', protocol];
    const ping = await ask('ping', ...over);
    assert.deepEqual([ping.code, ping.out[0]], [0, 'pump-42 ping succeeded'], ping.err);
    assert.ok(
      ping.out.some((line) => /^ {2}clock: (?:set|synced)$/.test(line)),
      ping.out.join('\n'),
    );
    const paused = await ask('telemetry.pause', 'for=1m', 'sensor=pump', '--json', ...over);
    const said = paused.out.map((line) => JSON.parse(line) as Document);
    assert.deepEqual([paused.code, ...said.map(({ status }) => status)], [0, 'accepted', 'succeeded'], paused.err);
    assert.deepEqual([said[1]?.['device'], said[1]?.['repeated']], ['pump-42', false]);
    const rejected = await ask('telemetry.pause', 'for=never', ...over);
    assert.equal(rejected.code, 1);
    assert.match(
      rejected.out.join('\n'),
      /pump-42 telemetry.pause rejected: args.invalid: args\/for: must be a duration/,
    );
    const off = await ask('agent.restart', ...over);
    assert.deepEqual([off.code, /command.off/.test(off.out.join(''))], [1, true]);
  });
}

test('signs with an SSH key, counts in a file, and names the session for a dangerous command', async (t) => {
  const stage = await setOperator(t, { commands: { 'telemetry.pause': 'signed', 'events.abandon': 'signed' } });
  const { ask, key, directory } = stage;
  const unsigned = await ask('telemetry.pause', 'for=1m', ...TO);
  assert.deepEqual([unsigned.code, /signature.missing/.test(unsigned.out.join(''))], [1, true]);
  const counter = join(directory, 'counter');
  const sign = [...TO, '--sign', key.path, '--signer-counter', counter];
  const ahead = Date.now() + 3_600_000;
  await writeFile(counter, `${ahead}\n`);
  for (let time = 1; time <= 2; time += 1) {
    const paused = await ask('telemetry.pause', 'for=1m', ...sign);
    assert.equal(paused.code, 0, paused.out.join('\n') + paused.err);
    assert.equal((await readFile(counter, 'utf8')).trim(), `${ahead + time}`);
  }
  // Behind what the device has seen of this key.
  const behind = await ask('telemetry.pause', 'for=1m', ...TO, '--sign', key.path);
  assert.match(behind.out.join('\n'), /rejected: signature.counter/);
  const abandoned = await ask('events.abandon', 'seq=1', ...sign);
  assert.deepEqual(
    [abandoned.code, /there is no dead letter 1/.test(abandoned.out.join(''))],
    [1, true],
    abandoned.out.join(),
  );
  const other = makeSshKey(directory, 'other');
  const stranger = await ask('telemetry.pause', 'for=1m', ...TO, '--sign', other.path);
  assert.match(stranger.out.join('\n'), /rejected: signature.signer/);
});

test('asks a group and shows each answer; a group in which nobody is does not answer', async (t) => {
  const { ask, key } = await setOperator(t, { device: { id: 'pump-42', groups: ['north'], groupSpread: '0s' } });
  const asked = await ask('ping', '--group', 'north', '--within', '3s', '--sign', key.path);
  assert.deepEqual([asked.code, asked.out[0]], [0, 'pump-42 ping succeeded'], asked.err);
  const nobody = await ask('ping', '--group', 'south', '--within', '1s');
  assert.deepEqual([nobody.code, nobody.out.length], [69, 0]);
  assert.match(nobody.err, /no device of the group south has answered/);
});

test('says that there is no broker, no answer, no permission, no identity, and what is wrong with the line', async (t) => {
  const { ask, agent, directory, broker } = await setOperator(t);
  const nobody = await ask('ping', '--device', 'pump-43', '--within', '1s');
  assert.deepEqual(
    [
      nobody.code,
      /pump-43 has not answered .* within 1s; .* or the broker's rules .*; ask again with --id /.test(nobody.err),
    ],
    [69, true],
    nobody.err,
  );
  await agent.term();
  const url = ['--url', `mqtts://127.0.0.1:${broker.port}`];
  const tls = join(directory, 'tls');
  const ca = ['--ca', join(tls, 'ca.pem')];
  const stranger = await run(['ping', ...TO, ...url, ...ca]);
  assert.equal(stranger.code, 69, stranger.err);
  const device = ['--cert', join(tls, 'device.pem'), '--private-key', join(tls, 'device.key')];
  const refused = await run(['ping', ...TO, ...url, ...ca, ...device, '--within', '2s']);
  assert.deepEqual([refused.code, refused.out.length], [69, 0], refused.err);
  assert.equal((await run(['ping', ...TO, '--url', 'mqtt://127.0.0.1:1', '--within', '2s'])).code, 69);
  const wrong: readonly (readonly [RegExp, readonly string[]])[] = [
    [/needs the name of a command/, [...TO, ...url]],
    [/needs --device ID, or --group NAME/, ['ping', ...url]],
    [/needs --device ID, or --group NAME/, ['ping', ...url, ...TO, '--group', 'north']],
    [/--url: must be mqtts:/, ['ping', ...TO]],
    [/needs --ca FILE/, ['ping', ...TO, ...url]],
    [/"for": must be key=value/, ['ping', 'for', ...TO, ...url, ...ca]],
    [/--within: must be a duration/, ['ping', ...TO, ...url, ...ca, '--within', '1d']],
    [/--device: must be 1 to 64/, ['ping', '--device', 'a/b', ...url, ...ca]],
    [/--protocol: must be 5 or 4/, ['ping', ...TO, ...url, ...ca, '--protocol', '3']],
    [/--id 01J: there is no open request/, ['ping', ...TO, ...url, ...ca, '--id', '01J']],
    [/--id: must be the id of a request/, ['ping', ...TO, ...url, ...ca, '--id', '../01J']],
    [/without arguments and --sign/, ['ping', 'for=1m', ...TO, ...url, ...ca, '--id', '01J']],
    [/goes with --sign/, ['ping', ...TO, ...url, ...ca, '--signer-counter', 'x']],
    [/Unknown option '--devise'/, ['ping', '--devise', 'x']],
  ];
  for (const [text, args] of wrong) {
    const said = await run(args);
    assert.deepEqual([said.code, said.out.length], [64, 0], said.err);
    assert.match(said.err, text);
  }
});

test('a broker that is restarted in the middle is asked again, and the command still runs once', async (t) => {
  const stage = await setOperator(t, { commands: { 'telemetry.pause': 'on' } });
  // Held up by a stopped agent, so that the broker goes while the answer is awaited.
  const { pid } = stage.agent.child;
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGSTOP');
  const asked = stage.ask('telemetry.pause', 'for=1m', '--json', '--within', '60s', ...TO);
  await until(
    () => stage.broker.log.some((line) => line.includes('up/response/telemetry.pause')),
    'the operator to listen',
    DEADLINE_MS,
  );
  await stage.broker.restart('kill');
  process.kill(pid, 'SIGCONT');
  const { code, out, err } = await asked;
  assert.equal(code, 0, err);
  assert.match(err, /connecting again/);
  const finals = out.map((line) => JSON.parse(line) as Document).filter(({ status }) => status === 'succeeded');
  assert.equal(finals.length, 1);
});

test('--out puts pieces together, checks them, and writes what they come to; bytes in an answer too', async (t) => {
  const { ask, directory, meter } = await setOperator(t);
  const file = join(directory, 'diagnosis.json.gz');
  const collected = await ask('diagnostics.collect', '--within', '1m', '--out', file, ...TO);
  assert.equal(collected.code, 0, collected.err);
  assert.match(collected.err, /diagnosis\.json\.gz: \d+ bytes, checked/);
  assert.ok(
    collected.out.some((line) => /^ {2}chunk: 1 of \d+$/.test(line)),
    collected.out.join('\n'),
  );
  const { what, device } = JSON.parse(gunzipSync(await readFile(file)).toString()) as Document;
  assert.deepEqual([what, device, (await stat(file)).mode & 0o777], ['fieldpost diagnostics', 'pump-42', 0o600]);
  const capture = join(directory, 'capture.bin');
  const captured = ask('sensor.capture', 'sensor=pump', 'bytes=5', '--out', capture, ...TO);
  let isOver = false;
  const end = captured.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await meter('{"k":"t","t":20.5}');
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  assert.equal((await captured).code, 0, (await captured).err);
  assert.equal((await readFile(capture)).length, 5);
  const ping = await ask('ping', '--out', join(directory, 'no'), ...TO);
  assert.deepEqual([ping.code, /no is not written: the result is whole in the answer/.test(ping.err)], [1, true]);
  const group = await ask('ping', '--out', file, '--group', 'north');
  assert.equal(group.code, 64);
});
