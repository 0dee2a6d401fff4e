/**
 * A change of the configuration by command, on real brokers over mutual TLS: confirmed it holds, also over a kill; not
 * confirmed the device is back on what held before; and while it is on trial no event leaves.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { until } from '../rig/wait.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { type Device, setTrialStage, type TrialStage } from '../config-trial/stage.ts';
import { type Document, type Heard, isFinal, type Operator } from '../config-trial/operator.ts';

const DEADLINE_MS = 45_000;

async function stageOf(t: TestContext): Promise<{ readonly stage: TrialStage; readonly device: Device }> {
  const stage = await setTrialStage(await temporaryDirectory(t), ['pump-1'], builtProgram());
  t.after(() => stage.close());
  const [device] = stage.devices;
  assert.ok(device !== undefined);
  device.agent.start();
  await online(stage.atHome, device, () => true);
  return { stage, device };
}

function online(operator: Operator, { id }: Device, fits: (config: Document) => boolean, sinceMs = 0): Promise<Heard> {
  const look = (): Heard | undefined =>
    operator.find(id, 'status', ({ state, config }) => state === 'online' && fits(config as Document), sinceMs);
  return operator.waitFor('the device online', look, DEADLINE_MS);
}

function answered(operator: Operator, { id }: Device, command: string, request: string): Promise<Heard> {
  return operator.waitFor(
    `the answer to ${command}`,
    () => operator.answer(id, command, request, isFinal),
    DEADLINE_MS,
  );
}

function probation(operator: Operator, { id }: Device, request: string): Promise<Heard> {
  const look = (): Heard | undefined =>
    operator.answer(id, 'config.set', request, ({ phase }) => phase === 'probation');
  return operator.waitFor('the probation', look, DEADLINE_MS);
}

test('a change of brokers holds once it is confirmed over the new one, and no event leaves before that', async (t) => {
  const { stage, device } = await stageOf(t);
  const { id } = device;
  await stage.atHome.command(id, 'config.set', 'c1', {
    base: 0,
    patch: { broker: { urls: [`mqtts://127.0.0.1:${stage.other.port}`] } },
    within: '60s',
  });
  const { payload } = await probation(stage.atOther, device, 'c1');
  assert.equal(payload['status'], 'executing');
  await until(() => device.line.write('{"k":"sale","boot":"b","seq":1,"ml":1,"cents":1}\n'), 'the line', DEADLINE_MS);
  const held = await online(stage.atOther, device, ({ phase }) => phase === 'probation');
  assert.ok((held.payload['degraded'] as string[]).includes('events.held'));
  await until(
    () => device.agent.child.lines.some((line) => line.includes('configuration on trial')),
    'log',
    DEADLINE_MS,
  );
  await stage.atOther.command(id, 'config.confirm', 'k0', { token: 'wrong' });
  assert.equal((await answered(stage.atOther, device, 'config.confirm', 'k0')).payload['status'], 'rejected');
  const events = (operator: Operator): readonly Heard[] => operator.heard.filter(({ topic }) => topic === 'event/sale');
  assert.deepEqual([...events(stage.atOther), ...events(stage.atHome)], []);
  await stage.atOther.command(id, 'config.confirm', 'k1', { token: payload['token'] });
  const confirmed = await answered(stage.atOther, device, 'config.confirm', 'k1');
  assert.equal(confirmed.payload['status'], 'succeeded', JSON.stringify(confirmed.payload));
  const set = await answered(stage.atOther, device, 'config.set', 'c1');
  assert.deepEqual([set.payload['status'], set.payload['result']], ['succeeded', confirmed.payload['result']]);
  await stage.atOther.waitFor('the event', () => events(stage.atOther)[0], DEADLINE_MS);
  await device.agent.kill9();
  const killedMs = performance.now();
  device.agent.start();
  await online(stage.atOther, device, ({ revision, phase }) => revision === 1 && phase === 'confirmed', killedMs);
});

test('back from a wrong broker, which neither drains the ledger nor has its receipts taken, events go out once at the old one', async (t) => {
  const { stage, device } = await stageOf(t);
  const { id } = device;
  const { atHome, atOther } = stage;
  const sale = (seq: number): string => `{"k":"sale","boot":"b","seq":${seq},"ml":1,"cents":1}\n`;
  const sales = (operator: Operator): readonly unknown[] =>
    operator.heard.filter(({ topic }) => topic === 'event/sale').map(({ payload }) => payload['seq']);
  await until(() => device.line.write(sale(1)), 'the line', DEADLINE_MS);
  await until(() => sales(atHome).length === 1, 'the first event', DEADLINE_MS);
  const { epoch } = (await online(atHome, device, () => true)).payload['ledger'] as { readonly epoch: string };
  await atOther.receipt(id, { epoch, through: 1_000_000, hash: 'x'.repeat(43) });
  const urls = [`mqtts://127.0.0.1:${stage.other.port}`];
  await atHome.command(id, 'config.set', 'c1', { base: 0, patch: { broker: { urls } } });
  const { payload } = await probation(atOther, device, 'c1');
  await until(() => device.line.write(sale(2)), 'the line', DEADLINE_MS);
  await atOther.command(id, 'config.set', 'c2', { base: 0, patch: { host: {} } });
  const busy = await answered(atOther, device, 'config.set', 'c2');
  assert.deepEqual([busy.payload['status'], (busy.payload['error'] as Document)['code']], ['rejected', 'config.busy']);
  await atOther.command(id, 'config.cancel', 'x1', {});
  const cancelled = await answered(atOther, device, 'config.cancel', 'x1');
  assert.deepEqual(cancelled.payload['result'], { reverted: 1 });
  const set = await answered(atHome, device, 'config.set', 'c1');
  assert.equal((set.payload['error'] as Document)['code'], 'config.reverted');
  await until(() => sales(atHome).length === 2, 'the second event at home', DEADLINE_MS);
  // Its token is worth nothing any more, and is told so.
  await atHome.command(id, 'config.confirm', 'k1', { token: payload['token'] });
  const late = await answered(atHome, device, 'config.confirm', 'k1');
  assert.equal((late.payload['error'] as Document)['code'], 'config.reverted');
  const home = await online(atHome, device, ({ phase }) => phase === 'confirmed', set.atMs - 5000);
  assert.ok(!(home.payload['degraded'] as string[]).includes('ledger.forked'));
  assert.equal((home.payload['ledger'] as Document)['epoch'], epoch);
  assert.deepEqual([sales(atOther), new Set(sales(atHome)).size, sales(atHome).length], [[], 2, 2]);
  const connected = device.agent.child.lines.filter((line) => line.includes('broker connected'));
  assert.match(connected.at(-1) ?? '', /session_present=true/);
});

test('why a change was taken back says what became of its connection', async (t) => {
  const ids = ['pump-1', 'pump-2', 'pump-3'];
  const stage = await setTrialStage(await temporaryDirectory(t), ids, builtProgram());
  t.after(() => stage.close());
  const { atHome, devices, home, refusing } = stage;
  // A port that was free a moment ago.
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const patches = [
    { broker: { urls: [`mqtts://127.0.0.1:${port}`] } },
    { broker: { urls: [`mqtts://127.0.0.1:${refusing.port}`] } },
    { broker: { keepAlive: '40s' } },
  ];
  const whyOf = async (device: Device, index: number): Promise<string> => {
    device.agent.start();
    await online(atHome, device, () => true);
    await atHome.command(device.id, 'config.set', 'c1', { base: 0, patch: patches[index], within: '10s' });
    const set = await answered(atHome, device, 'config.set', 'c1');
    return String((set.payload['error'] as Document)['message']);
  };
  const [dead = '', refused = '', unheard = ''] = await Promise.all(devices.map(whyOf));
  assert.match(
    dead,
    /revision 1 was taken back: it was not confirmed within 10 s: no connection \(network\.refused: .+\)$/,
  );
  assert.match(
    refused,
    /not confirmed within 10 s: (no connection|its connection was lost) \((tls|identity)\..+: .+\)$/,
  );
  assert.equal(
    unheard,
    'revision 1 was taken back: it was not confirmed within 10 s: ' +
      `it was connected to mqtts://127.0.0.1:${home.port}, and no config.confirm with its token came`,
  );
});

test('back from a broker that takes connections and says nothing, in the same process', async (t) => {
  const stage = await setTrialStage(await temporaryDirectory(t), ['pump-1'], builtProgram());
  t.after(() => stage.close());
  const [device] = stage.devices;
  assert.ok(device !== undefined);
  const { broker, ...others } = JSON.parse(await readFile(device.config, 'utf8')) as { readonly broker: object };
  // An attempt takes longer than the end of an agent may else.
  await writeFile(device.config, JSON.stringify({ ...others, broker: { ...broker, connectTimeout: '20s' } }));
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  device.agent.start();
  await online(stage.atHome, device, () => true);
  const patch = { broker: { urls: [`mqtts://127.0.0.1:${port}`] } };
  await stage.atHome.command(device.id, 'config.set', 'c1', { base: 0, patch, within: '10s' });
  const set = await answered(stage.atHome, device, 'config.set', 'c1');
  assert.match(
    String((set.payload['error'] as Document)['message']),
    /within 10 s: it had no connection, and no attempt had ended$/,
  );
  assert.deepEqual(
    device.agent.child.lines.filter((line) => line.includes('takes too long')),
    [],
  );
});
