import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../rig/wait.ts';
import { type Seen, setStage, type Stage } from './stage.ts';

const DEADLINE_MS = 20_000;
const STATUS = 'fp/v1/pump-42/up/status';

function statuses(stage: Stage): Seen[] {
  return stage.seen().filter((one) => one.topic === STATUS);
}

async function statusWith(stage: Stage, why: string): Promise<Seen> {
  const find = (): Seen | undefined => statuses(stage).find((one) => one.payload['why'] === why);
  return until(find, `a status with why=${why}; agent: ${stage.agent.child.lastWords()}`, DEADLINE_MS);
}

test('telemetry arrives as QoS 0 and events as QoS 2, in the envelopes of the contract', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  await statusWith(stage, 'start');
  await stage.meter('{"k":"t","t":21.4}');
  await stage.meter('{"k":"sale","boot":"a1","seq":17,"ml":1010,"cents":250}');
  const sale = await until(
    () => stage.seen().find((one) => one.topic === 'fp/v1/pump-42/up/event/sale'),
    'the sale',
    DEADLINE_MS,
  );
  await until(() => stage.answers().includes('ACK a1 17\n'), 'the answer', DEADLINE_MS);
  assert.equal(sale.qos, 2);
  assert.equal(sale.retained, false);
  const { v, device, seq, sensor, stream, type, data, source, raw, prev } = sale.payload;
  assert.deepEqual([v, device, seq, sensor, stream, type], [1, 'pump-42', 2, 'pump', 'sale', 'delivery']);
  assert.deepEqual(data, {
    volume: { value: '1.010', unit: 'l', quality: 'good' },
    amount: { value: '2.50', unit: 'EUR', quality: 'good' },
  });
  assert.deepEqual(source, { epoch: 'a1', seq: '17' });
  assert.equal(
    Buffer.from(String(raw), 'base64').toString(),
    '{"k":"sale","boot":"a1","seq":17,"ml":1010,"cents":250}',
  );
  assert.match(String(prev), /^[A-Za-z0-9_-]{43}$/);
  const sample = await until(
    () => stage.seen().find((one) => one.topic === 'fp/v1/pump-42/up/telemetry/pump'),
    'the sample',
    DEADLINE_MS,
  );
  assert.equal(sample.qos, 0);
  assert.deepEqual((sample.payload['readings'] as readonly (readonly unknown[])[])[0]?.slice(0, 3), [
    'temp',
    21.4,
    'Cel',
  ]);
  const epoch = stage.seen().find((one) => one.topic === 'fp/v1/pump-42/up/event/agent');
  assert.equal(epoch?.payload['type'], 'ledger.epoch');
});

test('SIGKILL shows as offline with why lost and the session of the status before', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  const online = await statusWith(stage, 'start');
  assert.equal(online.payload['state'], 'online');
  await stage.agent.kill9();
  const lost = await statusWith(stage, 'lost');
  assert.equal(lost.payload['state'], 'offline');
  assert.equal(lost.payload['session'], online.payload['session']);
});

test('SIGTERM says offline with why shutdown, takes the will back, and ends with 0', async (t) => {
  const stage = await setStage(t);
  stage.agent.start();
  const online = await statusWith(stage, 'start');
  assert.deepEqual(await stage.agent.term(), { code: 0, signal: null });
  const offline = await statusWith(stage, 'shutdown');
  assert.equal(offline.payload['session'], online.payload['session']);
  stage.agent.start();
  const started = (): Seen[] => statuses(stage).filter((one) => one.payload['why'] === 'start');
  await until(
    () => new Set(started().map((one) => one.payload['session'])).size === 2,
    'a start in a session of its own',
    DEADLINE_MS,
  );
  assert.equal(
    statuses(stage).some((one) => one.payload['why'] === 'lost'),
    false,
  );
  const sessions = statuses(stage).filter((one) => one.payload['state'] === 'online');
  assert.equal(new Set(sessions.map((one) => one.payload['session'])).size, 2);
});
