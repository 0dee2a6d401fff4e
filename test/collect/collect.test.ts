/**
 * `fieldpost collect` as a billing team would run it: beside the built agent on a real Mosquitto over mutual TLS, killed at
 * random moments, with a broker that forgets, and with forged, forked and foreign messages thrown at it.
 */
import assert from 'node:assert/strict';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { setStage, type Stage } from '../agent/stage.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { testRandom } from '../rig/random.ts';
import { until } from '../rig/wait.ts';
import { device } from './rig.ts';

const DEADLINE_MS = 30_000;

interface Text {
  readonly epoch: string;
  readonly seq: number;
  readonly source?: { readonly seq: string };
}

async function setScene(t: TestContext, ledger: object = {}): Promise<Stage> {
  const stage = await setStage(t);
  const document = JSON.parse(await readFile(stage.config, 'utf8')) as { ledger: object; broker: object };
  const changed = { ...document, ledger: { ...document.ledger, receipts: true, ...ledger } };
  await writeFile(stage.config, JSON.stringify({ ...changed, broker: { ...document.broker, heartbeat: '5s' } }));
  return stage;
}

function collect(t: TestContext, stage: Stage, ...more: string[]): Child {
  const [node, program] = builtProgram();
  const tls = join(stage.directory, 'tls');
  const files = ['--ca', `${tls}/ca.pem`, '--cert', `${tls}/consumer.pem`, '--private-key', `${tls}/consumer.key`];
  const url = `mqtts://127.0.0.1:${stage.broker.port}`;
  const args = [program, 'collect', '--url', url, '--out', join(stage.directory, 'out'), ...files, '--json', ...more];
  const child = new Child({ command: node, args });
  t.after(() => child.kill9());
  return child;
}

async function stored(stage: Stage): Promise<readonly Text[]> {
  const out = join(stage.directory, 'out');
  const names = (await readdir(out).catch(() => [])).filter((name) => /^\d{4}.*\.ndjson$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(out, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line) => JSON.parse(line) as Text);
}

/** By whoever has the device's certificate. */
async function sayAsDevice(stage: Stage, meaning: string, payload: string, ...more: string[]): Promise<void> {
  const tls = join(stage.directory, 'tls');
  const holder = ['--cafile', `${tls}/ca.pem`, '--cert', `${tls}/device.pem`, '--key', `${tls}/device.key`];
  const args = ['-h', '127.0.0.1', '-p', String(stage.broker.port), ...holder, '-i', 'forger', '-V', '5', '-q', '1'];
  const child = new Child({
    command: 'mosquitto_pub',
    args: [...args, '-t', `fp/v1/pump-42/${meaning}`, '-m', payload, ...more],
  });
  assert.equal((await child.exited).code, 0, child.lastWords());
}

async function sell(stage: Stage, from: number, through: number): Promise<void> {
  for (let seq = from; seq <= through; seq += 1)
    await stage.meter(`{"k":"sale","boot":"a1","seq":${seq},"ml":1,"cents":1}`);
  await until(() => stage.answers().includes(`ACK a1 ${through}\n`), `the answer to sale ${through}`, DEADLINE_MS);
}

async function finished(child: Child, deadlineMs = DEADLINE_MS): Promise<Readonly<Record<string, unknown>>> {
  await until(
    () => child.ended,
    () => `the collector to end; last: ${child.lastWords()}`,
    deadlineMs,
  );
  return { code: child.ended?.code, ...(JSON.parse(child.outLines.at(-1) ?? '{}') as Record<string, unknown>) };
}

function salesIn(texts: readonly Text[]): string[] {
  return texts.flatMap(({ source }) => (source === undefined ? [] : [source.seq]));
}

test('what was accepted is written down once, signed and chained, and settles by the receipt', async (t) => {
  const stage = await setScene(t, { sign: true });
  const collector = collect(t, stage, '--verify', '--until-complete', '2');
  stage.agent.start();
  await sell(stage, 1, 50);
  const result = await finished(collector);
  assert.deepEqual(
    [result['code'], result['stored'], result['problems'], result['complete']],
    [0, 52, 0, true],
    collector.lastWords(),
  );
  assert.deepEqual(salesIn(await stored(stage)).sort(), Array.from({ length: 50 }, (_, at) => String(at + 1)).sort());
  let asked = 0;
  const unsettled = async (): Promise<unknown> => {
    asked += 1;
    const [to, from] = ['down/command', 'up/response'].map((way) => `fp/v1/pump-42/${way}/events.stat/${asked}`);
    const args = [...stage.operatorArgs, '-V', '5', '-q', '1', '-W', '5', '-t', to ?? '', '-e', from ?? '', '-n'];
    const ask = new Child({ command: 'mosquitto_rr', args });
    await ask.exited;
    // One question a second is what a device answers for long.
    await pause(1000);
    const text = ask.outLines.join('');
    if (text === '') return undefined;
    const { result: answered } = JSON.parse(text) as { result?: { epochs: { unsettled: number; last: number }[] } };
    return answered?.epochs.map((epoch) => [epoch.last, epoch.unsettled]);
  };
  // mosquitto_sub 2.0.11, the stage's witness, does not outlive a burst of QoS 2; the device is asked itself.
  await until(async () => JSON.stringify(await unsettled()) === '[[52,0]]', 'everything to settle', DEADLINE_MS);
});

test('killed again and again, by a broker that forgets too, it has every sale exactly once in the end', async (t) => {
  const stage = await setScene(t);
  const random = testRandom(t);
  stage.agent.start();
  let sold = 0;
  for (let life = 0; life < 4; life += 1) {
    const collector = collect(t, stage);
    await sell(stage, sold + 1, sold + 15);
    sold += 15;
    await pause(random.between(100, 1200));
    await collector.kill9();
    if (life === 1) await stage.broker.restart('kill');
    if (life === 2) {
      await stage.agent.kill9();
      stage.agent.start();
    }
  }
  const last = collect(t, stage, '--verify', '--until-complete', '4');
  // What the broker forgot is asked for in rounds of seconds; some seeds take half a minute.
  const result = await finished(last, 4 * DEADLINE_MS);
  assert.equal(result['code'], 0, last.lines.join('\n'));
  const sales = salesIn(await stored(stage));
  assert.equal(sales.length, new Set(sales).size, 'a sale was written down twice');
  assert.deepEqual(
    [...sales].sort((a, b) => Number(a) - Number(b)),
    Array.from({ length: sold }, (_, at) => String(at + 1)),
  );
  t.diagnostic(JSON.stringify(result));
});

test('a torn last line is cut off and its event asked for again', async (t) => {
  const stage = await setScene(t);
  stage.agent.start();
  await sell(stage, 1, 5);
  assert.equal((await finished(collect(t, stage, '--until-complete', '2')))['code'], 0);
  const out = join(stage.directory, 'out');
  const name = (await readdir(out)).find((file) => /^\d{4}.*\.ndjson$/.test(file)) ?? '';
  const bytes = await readFile(join(out, name));
  await writeFile(join(out, name), Buffer.concat([bytes, Buffer.from('{"v":1,"device":"pump')]));
  await sell(stage, 6, 7);
  assert.equal((await finished(collect(t, stage, '--until-complete', '2')))['code'], 0);
  assert.deepEqual(salesIn(await stored(stage)), ['1', '2', '3', '4', '5', '6', '7']);
});

test('forks, forgeries and nonsense are kept apart and told, and cost nothing of the rest', async (t) => {
  const stage = await setScene(t, { sign: true });
  stage.agent.start();
  await sell(stage, 1, 3);
  const collector = collect(t, stage, '--verify');
  await until(
    async () => (await stored(stage)).length === 5,
    () => `five events; ${collector.lastWords()}`,
    DEADLINE_MS,
  );
  const [own] = (
    await readFile(
      join(
        stage.directory,
        'out',
        (await readdir(join(stage.directory, 'out'))).find((name) => /^\d{4}/.test(name)) ?? '',
      ),
      'utf8',
    )
  )
    .split('\n')
    .filter((line) => line.includes('"sale"'));
  const say = (payload: string): Promise<void> => sayAsDevice(stage, 'up/event/sale', payload);
  await say((own ?? '').replace('"1"', '"2"'));
  await say(JSON.stringify({ ...(JSON.parse(own ?? '{}') as object), seq: 6 }));
  await say('nonsense');
  await say(JSON.stringify({ device: '../../etc', epoch: 'A', seq: 1 }));
  const lines = async (name: string): Promise<number> =>
    (await readFile(join(stage.directory, 'out', name), 'utf8').catch(() => '')).split('\n').filter(Boolean).length;
  await until(async () => (await lines('unreadable.ndjson')) === 2, 'the nonsense', DEADLINE_MS);
  assert.deepEqual([await lines('forks.ndjson'), (await lines('problems.ndjson')) > 0], [1, true]);
  await sell(stage, 4, 4);
  collector.signal('SIGTERM');
  const result = await finished(collector);
  assert.deepEqual([result['code'], (result['forks'] as number) >= 1, result['unreadable']], [1, true, 2]);
});

test('a device in the place of one whose disk died is settled, and what died with it is told and ends with 1', async (t) => {
  const stage = await setScene(t, { maxBytes: '16MiB' });
  const ledger = { epoch: 'DEADCARD', first: 1, last: 9, older: [] };
  await sayAsDevice(stage, 'up/status', JSON.stringify({ v: 1, state: 'online', ledger }), '-r');
  const collector = collect(t, stage, '--until-complete', '3');
  await until(
    () => collector.lines.some((line) => line.includes('DEADCARD: asks for 1 ranges again')),
    () => `the collector to ask; last: ${collector.lastWords()}`,
    DEADLINE_MS,
  );
  const make = device('pump-42', 'DEADCARD');
  for (let seq = 1; seq <= 3; seq += 1) await sayAsDevice(stage, 'up/event/sale', make(seq).toString('utf8'));
  await until(async () => (await stored(stage)).length === 3, 'three events of the dead card', DEADLINE_MS);
  stage.agent.start();
  await sell(stage, 1, 20);
  const result = await finished(collector, 3 * DEADLINE_MS);
  const told = collector.lines.filter((line) => line.startsWith('LOST'));
  assert.deepEqual(told, ['LOST: pump-42 DEADCARD: 4 to 9 never came and are no longer on the device']);
  assert.deepEqual([result['code'], result['lost'], result['complete']], [1, 6, false], collector.lastWords());
  const sound = (): boolean => {
    const status = stage.seen().findLast(({ topic }) => topic.endsWith('up/status'))?.payload ?? {};
    const { unsettled, last } = (status['ledger'] ?? {}) as { unsettled?: number; last?: number };
    return last === 21 && unsettled === 0 && (status['degraded'] as readonly string[]).length === 0;
  };
  await until(sound, () => `the new ledger to settle; ${JSON.stringify(stage.seen().at(-1)?.payload)}`, DEADLINE_MS);
  // The loss stays in the figures, and in the exit status.
  const again = await finished(collect(t, stage, '--until-complete', '2'));
  assert.deepEqual([again['code'], again['lost'], again['stored']], [1, 6, 0]);
});

test('a wrong command line is 64, a broker that refuses is 69, and an output that can not be written 74', async (t) => {
  const [node, program] = builtProgram();
  const run = async (...args: string[]): Promise<number | null | undefined> => {
    const child = new Child({ command: node, args: [program, 'collect', ...args] });
    t.after(() => child.kill9());
    await until(() => child.ended, 'the collector to end', DEADLINE_MS);
    return child.ended?.code;
  };
  assert.equal(await run(), 64);
  assert.equal(await run('--url', 'http://x', '--out', '/tmp/x'), 64);
  assert.equal(await run('--url', 'mqtts://127.0.0.1:1', '--out', '/tmp/x'), 64);
  assert.equal(await run('--url', 'mqtt://127.0.0.1:1', '--out', '/etc/passwd/x'), 74);
  const stage = await setStage(t);
  const tls = join(stage.directory, 'tls');
  const url = `mqtts://127.0.0.1:${stage.broker.port}`;
  assert.equal(
    await run('--url', url, '--out', join(stage.directory, 'o'), '--ca', `${tls}/ca.pem`, '--until-complete', '1'),
    69,
  );
});

test('a second collector on one folder ends at once and names the first, and one that was killed holds nobody up', async (t) => {
  const stage = await setScene(t);
  const first = collect(t, stage);
  const out = join(stage.directory, 'out');
  const isHeld = async (): Promise<boolean> => {
    const found = await stat(out).catch(() => undefined);
    return (await readFile('/proc/net/unix', 'utf8')).includes(`@fieldpost-output-${found?.dev}-${found?.ino}`);
  };
  await until(isHeld, 'the first collector to hold the folder', DEADLINE_MS);
  const second = collect(t, stage, '--client-id', 'another');
  assert.equal((await second.exited).code, 74);
  const words = second.lines.join('\n');
  assert.ok(words.includes(`output ${out}: another fieldpost process has it open (pid ${first.pid})`), words);
  await first.kill9();
  stage.agent.start();
  await sell(stage, 1, 3);
  assert.equal((await finished(collect(t, stage, '--until-complete', '1')))['code'], 0);
  assert.deepEqual(salesIn(await stored(stage)), ['1', '2', '3']);
});
