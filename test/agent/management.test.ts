/**
 * What a device says of itself and what it can be asked, on a real Mosquitto over mutual TLS: info, sensor states, host
 * figures, the schedule, and the first commands, asked with plain mosquitto clients.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { openPty } from '../../src/platform/pty.ts';
import { until } from '../rig/wait.ts';
import { configure, type Document, ROOT } from './operator.ts';
import { setStage } from './stage.ts';
import { ask, DEADLINE_MS, resultOf, seen, seenOn } from './witness.ts';

test('info says who this is, what it measures in which units, and what it can be asked', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  const info = await seen(stage, 'up/info');
  assert.deepEqual([info.qos, info.payload['v'], info.payload['device']], [1, 1, 'pump-42']);
  assert.deepEqual(info.payload['sensors'], [
    {
      id: 'pump',
      telemetry: { temp: 'Cel' },
      events: [{ stream: 'sale', type: 'delivery', fields: { volume: 'l', amount: 'EUR' } }],
    },
  ]);
  const reading =
    'ping status.get info.get metrics.get certificate.status doctor.run events.stat events.dead sensor.list sensor.read ' +
    'sensor.capture diagnostics.collect schedule.list log.tail config.get config.plan config.history';
  assert.deepEqual(info.payload['commands'], reading.split(' '));
  const requests = info.payload['requests'] as Readonly<Record<string, Document>>;
  assert.deepEqual(Object.keys(requests), reading.split(' '));
  assert.deepEqual(requests['sensor.read'], {
    type: 'object',
    properties: { sensor: { type: 'string', description: 'Id of the sensor.' } },
    required: ['sensor'],
    additionalProperties: false,
  });
  const { hash, revision } = info.payload['config'] as { hash: string; revision: number };
  assert.match(hash, /^[\w-]{43}$/);
  assert.equal(revision, 0);
  const { arch, kernel } = info.payload['hardware'] as { arch: string; kernel: string };
  assert.deepEqual([arch, kernel.length > 0], [process.arch, true]);
});

test('ping and status.get are answered to plain clients of MQTT 5 and 3.1.1, the same request only once', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await seen(stage, 'up/info');
  for (const version of ['5', '311'] as const) {
    const pong = await ask(t, stage, 'ping', `p${version}`, '', version);
    assert.deepEqual([pong['status'], pong['id'], pong['repeated']], ['succeeded', `p${version}`, false]);
    const request = '{"v":1,"args":{},"by":"ops"}';
    const first = await ask(t, stage, 'status.get', `s${version}`, request, version);
    const status = first['result'] as Document;
    assert.deepEqual([status['state'], status['valid_for']], ['online', 180]);
    assert.deepEqual(await ask(t, stage, 'status.get', `s${version}`, request, version), { ...first, repeated: true });
    const unknown = await ask(t, stage, 'host.explode', `r${version}`, '{}', version);
    assert.deepEqual([unknown['status'], (unknown['error'] as Document)['code']], ['rejected', 'command.unknown']);
  }
});

test('a device tells who it is, how its machine, certificates and sensors do, and what it gives itself to do', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ schedule: [{ cron: '0 3 * * *', command: 'ping' }] }));
  stage.agent.start();
  const born = await seen(stage, 'up/info');
  const { v, device, ...info } = await resultOf(t, stage, 'info.get', '1');
  assert.deepEqual([v, device], [1, 'pump-42']);
  for (const [key, value] of Object.entries(info)) assert.deepEqual(born.payload[key], value, key);
  const metrics = await resultOf(t, stage, 'metrics.get', '1');
  assert.ok((metrics['host'] as [string][]).some(([name]) => name === 'memory_available'));
  assert.ok(Number((metrics['process'] as Document)['resident_bytes']) > 1e7);
  const { certificates } = (await resultOf(t, stage, 'certificate.status', '1')) as { certificates: Document[] };
  assert.deepEqual(
    certificates.map(({ role, subject }) => [role, role === 'device' ? subject : '']),
    [
      ['device', 'CN=pump-42'],
      ['authority', ''],
    ],
  );
  const { sensors } = (await resultOf(t, stage, 'sensor.list', '1')) as { sensors: Document[] };
  assert.deepEqual([sensors[0]?.['id'], sensors[0]?.['port']], ['pump', stage.line.port]);
  const { schedule } = (await resultOf(t, stage, 'schedule.list', '1')) as { schedule: Document[] };
  assert.ok(Date.parse(String(schedule[0]?.['next'])) > Date.now());
});

test('a sensor says what it read last, and goes on after its line was closed and opened by command', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'sensor.restart': 'on' } }));
  stage.agent.start();
  await stage.meter('{"k":"t","t":20.50}');
  await seen(stage, 'up/sensor/pump', ({ state }) => state === 'ok');
  const read = await resultOf(t, stage, 'sensor.read', '1', { sensor: 'pump' });
  const [, temperature] = read['values'] as Document[];
  assert.deepEqual([temperature?.['name'], temperature?.['text']], ['t', '20.50']);
  assert.deepEqual(await resultOf(t, stage, 'sensor.restart', '1', { sensor: 'pump' }), { sensor: 'pump' });
  await seen(stage, 'up/sensor/pump', ({ why }) => why === 'no reading since the line was opened');
  const before = stage.seen().length;
  await until(
    async () => {
      await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":5,"cents":9}');
      return stage.answers().includes('ACK a1 1');
    },
    'the meter to be answered on the new connection',
    DEADLINE_MS,
  );
  await until(
    () =>
      stage
        .seen()
        .slice(before)
        .some(({ topic, payload }) => topic.endsWith('up/sensor/pump') && payload['state'] === 'ok'),
    'the sensor to be well again',
    DEADLINE_MS,
  );
});

test('the log is told live for its time, and not a line longer', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await seen(stage, 'up/info');
  assert.equal((await resultOf(t, stage, 'log.tail', 'long', { for: '10m' }))['topic'], `${ROOT}/up/log`);
  await resultOf(t, stage, 'ping', 'within');
  const told = await seen(stage, 'up/log', ({ fields }) => (fields as Document)['id'] === 'within');
  assert.deepEqual([told.qos, told.payload['sentence'], told.payload['level']], [0, 'command', 'info']);
  const { until: end } = await resultOf(t, stage, 'log.tail', 'short', { for: '1s' });
  await until(() => Date.now() > Date.parse(String(end)) + 100, 'the end of the lease', DEADLINE_MS);
  await resultOf(t, stage, 'ping', 'after');
  // The line of `after` would have gone out before its answer, on the same connection.
  await seen(stage, 'up/response/ping/after');
  const ids = seenOn(stage, 'up/log').map(({ payload }) => (payload['fields'] as Document)['id']);
  assert.ok(!ids.includes('after'), ids.join());
});

test('paused telemetry is not sent later either, and events are not paused', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'telemetry.pause': 'on', 'telemetry.resume': 'on' } }));
  stage.agent.start();
  await stage.meter('{"k":"t","t":11.5}');
  await seen(stage, 'up/telemetry/pump');
  const { paused } = (await resultOf(t, stage, 'telemetry.pause', '1', { for: '1h' })) as { paused: Document[] };
  await seen(stage, 'up/sensor/pump', ({ telemetry_paused_until: end }) => end === paused[0]?.['until']);
  await stage.meter('{"k":"t","t":33.5}');
  await stage.meter('{"k":"sale","boot":"a1","seq":1,"ml":5,"cents":9}');
  await seen(stage, 'up/event/sale');
  assert.deepEqual(await resultOf(t, stage, 'telemetry.resume', '1'), { paused: [] });
  await stage.meter('{"k":"t","t":44.5}');
  const holds = (payload: Document, value: number): boolean => JSON.stringify(payload['readings']).includes(`${value}`);
  await seen(stage, 'up/telemetry/pump', (payload) => holds(payload, 44.5));
  assert.ok(!seenOn(stage, 'up/telemetry/pump').some(({ payload }) => holds(payload, 33.5)));
});

test('agent.restart answers, ends the process in the ordinary way, and is known after the restart', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ commands: { 'agent.restart': 'on' } }));
  stage.agent.start();
  await seen(stage, 'up/info');
  const first = await ask(t, stage, 'agent.restart', '1', '{"by":"ops"}', '5');
  assert.deepEqual([first['status'], first['repeated']], ['succeeded', false]);
  assert.equal((await stage.agent.child.exited).code, 0);
  const farewell = await seen(stage, 'up/status', ({ state }) => state === 'offline');
  assert.equal(farewell.payload['why'], 'shutdown');
  stage.agent.start();
  await seen(stage, 'up/status', ({ why }) => why === 'start');
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  assert.deepEqual(await ask(t, stage, 'agent.restart', '1', '{"by":"ops"}', '5'), { ...first, repeated: true });
  assert.equal((await resultOf(t, stage, 'ping', 'still-there'))['clock'] === undefined, false);
  assert.ok(stage.agent.running);
});

test('a retained command is not run, however often the device comes back', async (t) => {
  const stage = await setStage(t);
  const topic = `${ROOT}/down/command/ping/old`;
  const left = new Child({
    command: 'mosquitto_pub',
    args: [...stage.operatorArgs, '-q', '1', '-r', '-t', topic, '-m', '{}'],
  });
  assert.equal((await left.exited).code, 0, left.lastWords());
  stage.agent.start();
  const answer = await seen(stage, 'up/response/ping/old');
  assert.equal((answer.payload['error'] as Document)['code'], 'command.retained');
});

test('a command that is published retained while the device listens is not run either', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await seen(stage, 'up/status', ({ state }) => state === 'online');
  const publish = async (...args: readonly string[]): Promise<void> => {
    const topic = `${ROOT}/down/command/ping/kept`;
    const all = [...stage.operatorArgs, '-q', '1', '-t', topic, ...args];
    const child = new Child({ command: 'mosquitto_pub', args: all });
    assert.equal((await child.exited).code, 0, child.lastWords());
  };
  const answers = (): readonly Document[] =>
    stage.seen().flatMap(({ topic, payload }) => (topic === `${ROOT}/up/response/ping/kept` ? [payload] : []));
  await publish('-r', '-m', '{}');
  const refusal = await until(() => answers()[0], 'the refusal', DEADLINE_MS);
  assert.equal((refusal['error'] as Document)['code'], 'command.retained');
  // Taken away again: that is no command.
  await publish('-r', '-n');
  await publish('-m', '{}');
  assert.equal((await until(() => answers()[1], 'the answer', DEADLINE_MS))['status'], 'succeeded');
  assert.equal(answers().length, 2);
});

test('a pulled plug is absent on the sensor topic within a second, and ok again after its first reading', async (t) => {
  const stage = await setStage(t);
  const pty = await openPty();
  t.after(() => pty.close());
  // By a name of its own: the terminal's number may soon be that of another test's.
  const folder = await mkdtemp(join(tmpdir(), 'fieldpost-plug-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'usb-meter');
  await symlink(pty.path, path);
  await configure(stage, ({ sensors }) => {
    const [pump] = sensors as Document[];
    return { sensors: [pump, { ...pump, id: 'second', port: { path, baudRate: 115_200 } }] };
  });
  stage.agent.start();
  await seen(
    stage,
    'up/sensor/second',
    ({ state, why }) => state === 'stale' && /since the line was opened/.test(String(why)),
  );
  await pty.write('{"k":"t","t":20.5}\n');
  const ok = await seen(stage, 'up/sensor/second', ({ state }) => state === 'ok');
  assert.equal(ok.qos, 1);
  assert.equal(ok.payload['session'], (await seen(stage, 'up/status')).payload['session']);
  const before = seenOn(stage, 'up/sensor/second').length;
  const pulledMs = performance.now();
  await unlink(path);
  await pty.close();
  await until(() => seenOn(stage, 'up/sensor/second').length > before, 'the next word of the sensor', DEADLINE_MS);
  t.diagnostic(`absent after ${Math.round(performance.now() - pulledMs)} ms`);
  const [absent] = seenOn(stage, 'up/sensor/second').slice(before);
  assert.deepEqual([absent?.payload['state'], absent?.payload['v']], ['absent', 1]);
  const status = await seen(stage, 'up/status', ({ degraded }) =>
    (degraded as string[]).includes('sensor.absent:second'),
  );
  assert.equal(status.payload['state'], 'online');
  // The other sensor is none the worse for it.
  await stage.meter('{"k":"t","t":20.5}');
  await seen(stage, 'up/sensor/pump', ({ state }) => state === 'ok');
});

test('a broker that lost what it retained gets all of it again', async (t) => {
  const stage = await setStage(t, { broker: { persistence: false } });
  stage.agent.start();
  await stage.meter('{"k":"t","t":20.5}');
  await seen(stage, 'up/sensor/pump', ({ state }) => state === 'ok');
  await stage.broker.restart('kill');
  await stage.agent.child.line(/broker not connected/, DEADLINE_MS);
  const topics = ['up/status', 'up/info', 'up/sensor/pump'].map((below) => ['-t', `${ROOT}/${below}`]).flat();
  await until(
    async () => {
      const look = new Child({
        command: 'mosquitto_sub',
        args: [...stage.consumerArgs, '-V', '5', ...topics, '--retained-only', '-C', '3', '-W', '2', '-F', '%t'],
      });
      await look.exited;
      return look.outLines.length === 3;
    },
    () => `three retained topics; agent: ${stage.agent.child.lastWords()}`,
    60_000,
  );
});

test('the state of a sensor that was taken out of the configuration is taken back from the broker', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await seen(stage, 'up/sensor/pump');
  await stage.agent.term();
  await configure(stage, ({ sensors }) => ({ sensors: [{ ...(sensors as Document[])[0], id: 'renamed' }] }));
  stage.agent.start();
  await seen(stage, 'up/sensor/renamed');
  await stage.agent.child.line(/taken back.*sensors=pump/, DEADLINE_MS);
  await until(
    async () => {
      const look = new Child({
        command: 'mosquitto_sub',
        args: [...stage.consumerArgs, '-V', '5', '-t', `${ROOT}/up/sensor/#`, '--retained-only', '-W', '1', '-F', '%t'],
      });
      await look.exited;
      return look.outLines.join() === `${ROOT}/up/sensor/renamed`;
    },
    'only the new sensor among what is retained',
    DEADLINE_MS,
  );
  const kept = async (): Promise<string> => readFile(join(stage.directory, 'state/sensors.json'), 'utf8');
  await until(async () => !(await kept()).includes('pump'), 'the old one to be forgotten', DEADLINE_MS);
});

test('the machine tells its own figures as the sensor host, and the schedule asks by itself', async (t) => {
  const stage = await setStage(t);
  await configure(stage, () => ({ host: { every: '5s' }, schedule: [{ cron: '* * * * * *', command: 'ping' }] }));
  stage.agent.start();
  const sample = await seen(stage, 'up/telemetry/host');
  const readings = new Map(
    (sample.payload['readings'] as [string, number, string | null, number][]).map((r) => [r[0], r]),
  );
  for (const name of ['cpu_load', 'memory_available', 'disk_available']) assert.ok(readings.has(name), `no ${name}`);
  assert.ok((readings.get('memory_size')?.[1] ?? 0) > (readings.get('memory_available')?.[1] ?? Infinity) / 2);
  assert.equal(readings.get('disk_size')?.[2], 'B');
  const answer = await until(
    () => stage.seen().find((one) => one.topic.startsWith(`${ROOT}/up/response/ping/schedule.0.`)),
    'the answer to the schedule',
    DEADLINE_MS,
  );
  assert.equal(answer.payload['status'], 'succeeded');
  assert.deepEqual((await seen(stage, 'up/info')).payload['schedule'], [{ cron: '* * * * * *', command: 'ping' }]);
});

test('status.json tells whoever stands at the device whether it is connected, and why not', async (t) => {
  const stage = await setStage(t);
  const read = async (): Promise<Document> =>
    JSON.parse(await readFile(join(stage.directory, 'state/status.json'), 'utf8').catch(() => '{}')) as Document;
  stage.agent.start();
  await until(async () => (await read())['connected'] === true, 'connected in status.json', DEADLINE_MS);
  await stage.broker.stop();
  const lost = await until(
    async () => ((await read())['connected'] === false ? read() : undefined),
    'not connected in status.json',
    DEADLINE_MS,
  );
  const { last_end: end } = lost['connection'] as { last_end: Document };
  assert.match(String(end['word']), /^(?:network|broker)\./);
  assert.ok((lost['disk'] as { free_bytes: number }).free_bytes > 0);
  assert.ok((lost['disk'] as { written_bytes_day: number }).written_bytes_day >= 0);
  assert.equal(lost['starts'], 1);
});
