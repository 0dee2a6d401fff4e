/** Commands that look closer or go further, on a real agent and Mosquitto: captures, the doctor from inside, a reboot. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { keepSaying, setMeter } from '../doctor/rig.ts';
import { until } from '../rig/wait.ts';
import { configure, type Document, request as order } from './operator.ts';
import { setStage } from './stage.ts';
import { DEADLINE_MS, resultOf, seen, seenOn } from './witness.ts';

test('bytes of a line are captured beside its readings, and the capture of a busy line comes in pieces', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await stage.meter('{"k":"t","t":20.5}');
  await seen(stage, 'up/sensor/pump', ({ state }) => state === 'ok');
  const args = { sensor: 'pump', seconds: 20, bytes: 100_000 };
  const asked = resultOf(t, stage, 'sensor.capture', 'cap', args);
  await seen(stage, 'up/response/sensor.capture/cap', ({ status }) => status === 'executing');
  const line = `{"k":"t","t":21.5,"pad":"${'x'.repeat(470)}"}`;
  for (let at = 0; at < 220; at += 1) await stage.meter(line);
  const result = await asked;
  assert.deepEqual([result['bytes'], result['chunks'], result['state']], [100_000, 4, 'ok']);
  const pieces = seenOn(stage, 'up/response/sensor.capture/cap').flatMap(({ payload }) => {
    const { data } = (payload['chunk'] ?? {}) as { readonly data?: string };
    return data === undefined ? [] : [Buffer.from(data, 'base64')];
  });
  const whole = Buffer.concat(pieces);
  assert.equal(createHash('sha256').update(whole).digest('hex'), result['sha256']);
  assert.match(whole.toString(), /^\{"k":"t","t":21.5,"pad":"x/);
});

test('doctor.run finds what is wrong beside the running agent, which goes on undisturbed', async (t) => {
  const stage = await setStage(t);
  const { far, sensor } = await setMeter(t);
  const told = { ...sensor, id: 'tank', init: { settle: '0s', steps: [{ write: 'HELLO\n' }] } };
  await configure(stage, ({ sensors }) => ({ sensors: [...(sensors as Document[]), told] }));
  stage.agent.start();
  await stage.meter('{"k":"t","t":20.5}');
  keepSaying(t, far, '{"t":21.5}\n');
  await seen(stage, 'up/sensor/tank', ({ state }) => state === 'ok');
  const { session } = (await seen(stage, 'up/status')).payload;
  const checksOf = async (id: string): Promise<Map<string, Document>> => {
    const { checks } = (await resultOf(t, stage, 'doctor.run', id)) as { checks: Document[] };
    return new Map(checks.map((check) => [`${String(check['part'])}: ${String(check['name'])}`, check]));
  };
  const sound = await checksOf('1');
  const broker = `broker mqtts://127.0.0.1:${stage.broker.port}`;
  const wanted = [
    'configuration: common name',
    'clock: time',
    'sensor pump: port',
    'sensor tank: port',
    'disk: directory',
    `${broker}: TCP`,
  ];
  for (const name of wanted) assert.equal(sound.get(name)?.['state'], 'ok', `${name} of ${[...sound.keys()].join()}`);
  assert.deepEqual(
    [...sound.values()].filter(({ state }) => state === 'failed'),
    [],
  );
  assert.deepEqual(
    [sound.get(`${broker}: MQTT`)?.['state'], sound.get('disk: ledger')?.['state']],
    ['skipped', 'skipped'],
  );
  assert.deepEqual(
    [sound.get('sensor tank: line')?.['state'], far.received().toString()],
    ['skipped', 'HELLO\n'],
    'the line is left to the agent, which alone talks to the meter',
  );
  await configure(stage, () => ({ log: { level: 'loud' } }));
  const faulty = await checksOf('2');
  assert.equal(faulty.get('configuration at the next start: /log/level')?.['state'], 'failed');
  assert.equal((await seen(stage, 'up/status')).payload['session'], session);
  const status = await resultOf(t, stage, 'status.get', '9');
  assert.deepEqual([status['connects'], status['session']], [1, session]);
});

test('host.reboot puts its request where root looks, and the farewell says why the device goes', async (t) => {
  const runtime = await mkdtemp(join(tmpdir(), 'fieldpost-run-'));
  t.after(() => rm(runtime, { recursive: true, force: true }));
  const stage = await setStage(t, { env: { RUNTIME_DIRECTORY: runtime } });
  await configure(stage, () => ({ commands: { 'host.reboot': 'on' } }));
  stage.agent.start();
  await seen(stage, 'up/info');
  await order(stage, 'host.reboot', '1');
  await seen(
    stage,
    'up/response/host.reboot/1',
    ({ status, phase }) => status === 'executing' && phase === 'rebooting',
  );
  const request = join(runtime, 'reboot');
  const id = await until(() => readFile(request, 'utf8').catch(() => undefined), 'the request', DEADLINE_MS);
  assert.equal(id, '1\n');
  await unlink(request);
  await stage.agent.child.line(/the machine reboots by command/, DEADLINE_MS);
  await stage.agent.term();
  const farewell = await seen(stage, 'up/status', ({ state }) => state === 'offline');
  assert.equal(farewell.payload['why'], 'reboot');
});

test('diagnostics come in pieces that add up, by plain clients, and hold no secret of the device', async (t) => {
  const stage = await setStage(t);
  const key = await readFile(join(stage.directory, 'tls/device.key'), 'utf8');
  await configure(stage, ({ sensors }) => {
    const [pump] = sensors as Document[];
    return {
      sensors: [{ ...pump, init: { steps: [{ write: 'LOGIN sesame\n' }] } }],
      commands: { 'sensor.restart': 'on' },
    };
  });
  stage.agent.start();
  await seen(stage, 'up/info');
  await resultOf(t, stage, 'sensor.restart', 'before', { sensor: 'pump' });
  const result = await resultOf(t, stage, 'diagnostics.collect', '1');
  const pieces = seenOn(stage, 'up/response/diagnostics.collect/1').flatMap(({ payload }) => {
    const { data } = (payload['chunk'] ?? {}) as { readonly data?: string };
    return data === undefined ? [] : [Buffer.from(data, 'base64')];
  });
  const whole = Buffer.concat(pieces);
  assert.deepEqual([whole.length, pieces.length], [result['bytes'], result['chunks']]);
  assert.equal(createHash('sha256').update(whole).digest('hex'), result['sha256']);
  const text = gunzipSync(whole).toString();
  const { parts } = JSON.parse(text) as { parts: Readonly<Record<string, Document>> };
  assert.equal(parts['status.get']?.['state'], 'online');
  assert.equal(parts['doctor.run']?.['ok'], true);
  assert.equal(parts['config']?.['hash'], ((await seen(stage, 'up/info')).payload['config'] as Document)['hash']);
  assert.deepEqual((parts['commands'] as unknown as Document[])[0]?.['id'], 'before');
  assert.ok((parts['log'] as unknown as Document[]).some(({ sentence }) => sentence === 'broker connected'));
  for (const secret of ['sesame', 'PRIVATE KEY', ...key.split('\n').filter((line) => /^[\w+/=]{20,}$/.test(line))]) {
    assert.ok(!text.includes(secret), `holds ${secret.slice(0, 8)}`);
  }
});
