/** What would end the start of an agent, found beside the one that runs: its own ledger is not touched, another one is tried. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startFault } from '../../src/cli/last-config.ts';
import { parseDeviceValue } from '../../src/config/parse.ts';
import type { DeviceConfig } from '../../src/config/schema.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';

interface Device {
  readonly directory: string;
  /** Where the ledger lies. */
  readonly ledger: string;
  /** Why the agent that runs could not be started again, with that in the ledger's section of device.json. */
  readonly fault: (of?: 'process' | 'machine', change?: object) => Promise<string | undefined>;
}

async function device(t: TestContext, home?: string): Promise<Device> {
  const directory = home ?? (await temporaryDirectory(t));
  const ledger = join(directory, 'ledger');
  await mkdir(ledger);
  await writeFile(join(ledger, '0.seg'), '');
  const value = (change: object): object => ({
    device: { id: 'd' },
    broker: { urls: ['mqtt://localhost'] },
    ledger: { dir: ledger, ...change },
    state: { dir: join(directory, 'state') },
  });
  const running = configOf(value({}));
  const file = join(await temporaryDirectory(t), 'device.json');
  return {
    directory,
    ledger,
    fault: async (of = 'process', change = {}) => {
      await writeFile(file, JSON.stringify(value(change)));
      return startFault(file, running, of, NO_LOG);
    },
  };
}

function configOf(value: object): DeviceConfig {
  const parsed = parseDeviceValue(value);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.config;
}

test('a ledger that is there, its own or another, can be started on, also beside the agent that has it open', async (t) => {
  const { fault, ledger, directory } = await device(t);
  const files = ledgerFiles(ledger);
  await files.lock();
  assert.equal(await fault(), undefined);
  assert.equal(await fault('process', { dir: join(directory, 'new/ledger') }), undefined);
  await files.unlock();
});

test('a ledger of its own that is gone is not begun anew by a command; the machine may be rebooted for it', async (t) => {
  const { fault, ledger } = await device(t);
  await rename(ledger, `${ledger}.away`);
  assert.match((await fault()) ?? '', /ledger .*ledger: can not be used: the ledger that runs is not there now/);
  assert.equal(await fault('machine'), undefined);
  await mkdir(ledger);
  assert.match((await fault()) ?? '', /not there now/);
});

test('another ledger that can not be made, or that another process has, is named, for a reboot too', async (t) => {
  const { fault, directory } = await device(t);
  for (const of of ['process', 'machine'] as const) {
    assert.match((await fault(of, { dir: '/proc/none/ledger' })) ?? '', /can not be made: ENOENT/);
  }
  const other = ledgerFiles(join(directory, 'other'));
  await other.lock();
  assert.match((await fault('process', { dir: join(directory, 'other') })) ?? '', /another fieldpost process/);
  await other.unlock();
});

test('a key of events that others may read, or that could not be made, is named', async (t) => {
  const { fault, directory } = await device(t);
  const state = join(directory, 'state');
  const sign = { sign: true };
  await writeFile(state, 'a file where the directory should be');
  assert.match((await fault('process', sign)) ?? '', /event signing key .*: can not be kept/);
  assert.equal(await fault(), undefined, 'none is needed');
  await rename(state, `${state}.away`);
  assert.equal(await fault('process', sign), undefined);
  const key = join(state, 'event-signing-ed25519.pem');
  await writeFile(key, 'x');
  await chmod(key, 0o644);
  assert.match((await fault('process', sign)) ?? '', /event-signing-ed25519\.pem/);
});

test('a ledger on a file system that is read-only now keeps the agent that runs, and no machine from its reboot', async (t) => {
  const home = await makeTemporaryDirectory('start-check');
  const mount = (...args: string[]): boolean => spawnSync('mount', [...args, home.path]).status === 0;
  const mounted = mount('-t', 'tmpfs', 'tmpfs');
  t.after(async () => {
    if (mounted) spawnSync('umount', ['-l', home.path]);
    await home.remove();
  });
  if (!mounted) return t.skip('needs the right to mount a tmpfs');
  const { fault } = await device(t, home.path);
  const empty = { dir: join(home.path, 'empty') };
  await mkdir(empty.dir);
  assert.ok(mount('-o', 'remount,ro'));
  assert.match((await fault()) ?? '', /can not be used: EROFS/);
  assert.equal(await fault('machine'), undefined);
  assert.match((await fault('machine', empty)) ?? '', /can not be used: EROFS/);
  assert.ok(mount('-o', 'remount,rw'));
  assert.equal(await fault(), undefined);
});
