/** `fieldpost config diff` while a change is on trial: what is tried is shown, beside what holds. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { configDisk } from '../../src/platform/config-disk.ts';
import { RemoteStore } from '../../src/remote/store.ts';
import { NO_REMOTE, type Trial } from '../../src/remote/trial.ts';
import { Child } from '../../src/workbench/child.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';

const PROGRAM = join(import.meta.dirname, '../../dist/fieldpost.mjs');

test('diff shows what is on trial beside what holds', async (t) => {
  const root = await temporaryDirectory(t);
  const file = join(root, 'device.json');
  const broker = { urls: ['mqtt://localhost'], keepAlive: '30s' };
  await writeFile(
    file,
    JSON.stringify({
      device: { id: 'd' },
      broker,
      ledger: { dir: join(root, 'ledger') },
      remote: { allow: ['/log', '/broker/keepAlive'] },
    }),
  );
  const store = new RemoteStore(configDisk(join(root, 'state/config')), NO_LOG);
  await store.open();
  const log = { level: 'debug' };
  const good = await store.putOverlay(1, 'a', { patch: { log }, was: {} });
  const patch = { log, broker: { keepAlive: '60s' } };
  const tried = await store.putOverlay(2, 'b', { patch, was: {} });
  const asked = { command: 'config.set', id: 'b' };
  const rest = {
    mode: 'operator',
    checked: true,
    token: 't',
    boot: 'b',
    sinceMs: 0,
    withinMs: 600_000,
    starts: 0,
  } as const;
  const trial: Trial = { ...tried, ...asked, ...rest };
  await store.keep({ ...NO_REMOTE, seq: 2, good, trial });
  const diff = async (...more: readonly string[]): Promise<readonly string[]> => {
    const args = [PROGRAM, 'config', 'diff', '--config', file, ...more];
    const child = new Child({ command: process.execPath, args });
    assert.equal((await child.exited).code, 0, child.lastWords());
    return child.outLines;
  };
  assert.deepEqual(await diff(), [
    '/log/level: nothing -> "debug"',
    'revision 2 is on trial',
    '  /log/level: nothing -> "debug"',
    '  /broker/keepAlive: "30s" -> "60s"',
  ]);
  const [line = ''] = await diff('--json');
  const { trial: revision, onTrial } = JSON.parse(line) as { readonly trial: number; readonly onTrial: unknown };
  assert.equal(revision, 2);
  assert.deepEqual(onTrial, [
    { pointer: '/log/level', effective: 'debug', allowed: true },
    { pointer: '/broker/keepAlive', base: '30s', effective: '60s', allowed: true },
  ]);
  const empty = await store.putOverlay(3, 'c', { patch: {}, was: {} });
  await store.keep({ ...NO_REMOTE, seq: 3, good, trial: { ...empty, ...asked, ...rest } });
  assert.deepEqual((await diff()).slice(1), ['revision 3 is on trial: the file alone']);
});
