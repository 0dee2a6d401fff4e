/** Changes by whoever stands at the device: device.json edited under a running agent, and what commands have put over it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Child } from '../../src/workbench/child.ts';
import { type Document, type Heard, isFinal, type Operator } from '../config-trial/operator.ts';
import { type Device, setTrialStage } from '../config-trial/stage.ts';
import { builtProgram } from '../rig/agent-process.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { until } from '../rig/wait.ts';

const DEADLINE_MS = 30_000;

function status(
  operator: Operator,
  { id }: Device,
  what: string,
  fits: (payload: Document) => boolean,
): Promise<Heard> {
  const newest = (): Heard | undefined => {
    const found = operator.find(id, 'status', () => true);
    return found !== undefined && found.payload['state'] === 'online' && fits(found.payload) ? found : undefined;
  };
  return operator.waitFor(what, newest, DEADLINE_MS);
}

const configOf = (payload: Document): Document => payload['config'] as Document;

async function edit(device: Device, change: (document: Record<string, unknown>) => object): Promise<void> {
  const document = JSON.parse(await readFile(device.config, 'utf8')) as Record<string, unknown>;
  await writeFile(device.config, JSON.stringify({ ...document, ...change(document) }));
}

async function config(device: Device, what: string): Promise<Document> {
  const [command, ...before] = builtProgram();
  const child = new Child({ command, args: [...before, 'config', what, '--config', device.config, '--json'] });
  const { code } = await child.exited;
  assert.equal(code, 0, child.lastWords());
  return JSON.parse(child.outLines.join('\n')) as Document;
}

test('an edit of nothing but what an overlay sets starts no agent, and status, info and log tell of it', async (t) => {
  const stage = await setTrialStage(await temporaryDirectory(t), ['pump-1'], builtProgram());
  t.after(() => stage.close());
  const { atHome } = stage;
  const device = stage.devices[0] as Device;
  const info = (what: string, fits: (payload: Document) => boolean): Promise<Heard> =>
    atHome.waitFor(what, () => atHome.find(device.id, 'info', (payload) => fits(configOf(payload))), DEADLINE_MS);
  device.agent.start();
  await status(atHome, device, 'online', () => true);
  await atHome.command(device.id, 'config.set', 'c1', { base: 0, patch: { host: { every: '30s' } } });
  await info('revision 1', ({ revision }) => revision === 1);
  const before = await status(atHome, device, 'revision 1', (payload) => configOf(payload)['revision'] === 1);
  const file = await readFile(device.config, 'utf8');

  await edit(device, () => ({ host: { every: '45s' } }));
  device.agent.signal('SIGHUP');
  const shadowed = await status(atHome, device, 'shadowed', (payload) => configOf(payload)['shadowed'] !== undefined);
  assert.deepEqual(configOf(shadowed.payload)['shadowed'], ['/host/every']);
  assert.equal(shadowed.payload['session'], before.payload['session']);
  const told = await info('shadowed in info', (said) => said['shadowed'] !== undefined);
  assert.deepEqual(configOf(told.payload)['shadowed'], ['/host/every']);
  await atHome.command(device.id, 'config.get', 'g1', {});
  const got = await atHome.waitFor('it', () => atHome.answer(device.id, 'config.get', 'g1', isFinal), DEADLINE_MS);
  assert.deepEqual((got.payload['result'] as Document)['shadowed'], ['/host/every']);
  const line = device.agent.child.lines.find((each) => each.includes('a remote change holds where it was edited'));
  assert.match(line ?? '', /revision=1 .*\/host\/every/);

  // Back as it was when the overlay was made: nothing is hidden any more.
  await writeFile(device.config, file);
  device.agent.signal('SIGHUP');
  const isClear = (payload: Document): boolean => configOf(payload)['shadowed'] === undefined;
  const clear = await status(atHome, device, 'nothing shadowed', isClear);
  assert.ok(clear.atMs >= shadowed.atMs);
  assert.equal(clear.payload['session'], before.payload['session']);
});

test('an edited device.json is run at SIGHUP, a wrong one changes nothing, and an overlay is shown and adopted', async (t) => {
  const stage = await setTrialStage(await temporaryDirectory(t), ['pump-1'], builtProgram());
  t.after(() => stage.close());
  const { atHome } = stage;
  const device = stage.devices[0] as Device;
  device.agent.start();
  await status(atHome, device, 'online', ({ config: said }) => (said as Document)['revision'] === 0);
  await atHome.command(device.id, 'config.set', 'c1', { base: 0, patch: { host: { every: '30s' } } });
  const set = await atHome.waitFor('it', () => atHome.answer(device.id, 'config.set', 'c1', isFinal), DEADLINE_MS);
  assert.equal(set.payload['status'], 'succeeded', JSON.stringify(set.payload));
  const good = await readFile(device.config, 'utf8');

  await writeFile(device.config, good.replace('"topics"', '"topic"').replace('"10s"', '"10 seconds"'));
  device.agent.signal('SIGHUP');
  const wrong = await status(atHome, device, 'config.invalid', ({ degraded }) =>
    (degraded as string[]).includes('config.invalid'),
  );
  assert.equal(configOf(wrong.payload)['revision'], 1);

  // Nor does one that names a file which is not there: the next agent could not be started on it.
  await writeFile(device.config, good.replace('/ca.pem', '/other-ca.pem'));
  device.agent.signal('SIGHUP');
  const isTold = (): boolean =>
    device.agent.child.lines.some((line) => line.includes('is not valid') && line.includes('/other-ca.pem'));
  await until(isTold, 'the file told', DEADLINE_MS);

  await writeFile(device.config, good);
  await edit(device, () => ({ host: { every: '45s' }, log: { level: 'debug' } }));
  device.agent.signal('SIGHUP');
  const shadowed = await status(atHome, device, 'shadowed', (payload) => configOf(payload)['shadowed'] !== undefined);
  assert.deepEqual(configOf(shadowed.payload)['shadowed'], ['/host/every']);
  assert.ok(!(shadowed.payload['degraded'] as string[]).includes('config.invalid'));
  await atHome.command(device.id, 'config.get', 'g1', {});
  const got = await atHome.waitFor('it', () => atHome.answer(device.id, 'config.get', 'g1', isFinal), DEADLINE_MS);
  const { effective } = got.payload['result'] as { readonly effective: Document };
  assert.deepEqual([effective['log'], effective['host']], [{ level: 'debug' }, { every: '30s' }]);

  const diff = await config(device, 'diff');
  assert.deepEqual(diff['overlaid'], [{ pointer: '/host/every', base: '45s', effective: '30s', allowed: true }]);
  await config(device, 'adopt');
  const adopted = JSON.parse(await readFile(device.config, 'utf8')) as Document;
  assert.deepEqual(adopted['host'], { every: '30s' });
  assert.deepEqual((await config(device, 'diff'))['overlaid'], []);
  device.agent.signal('SIGHUP');
  const clear = await status(atHome, device, 'revision 2', (payload) => configOf(payload)['revision'] === 2);
  assert.deepEqual(configOf(clear.payload), { revision: 2, phase: 'confirmed' });
  assert.equal(device.agent.lives, 1);
});
