/** `fieldpost config` where the disk has lost what commands have changed: told, and `drop` is the way out. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { configCommand } from '../../src/cli/config.ts';
import { Fault } from '../../src/fault.ts';
import { configDisk } from '../../src/platform/config-disk.ts';
import { RemoteStore } from '../../src/remote/store.ts';
import { NO_REMOTE } from '../../src/remote/trial.ts';
import { temporaryDirectory } from '../rig/temp.ts';
import { NO_LOG } from '../state/count.ts';

test('what can not be read is neither shown nor adopted, and can be dropped', async (t) => {
  const root = await temporaryDirectory(t);
  const directory = join(root, 'state/config');
  const file = join(root, 'device.json');
  const text = JSON.stringify({
    device: { id: 'd' },
    broker: { urls: ['mqtt://localhost'] },
    ledger: { dir: join(root, 'ledger') },
    remote: { allow: ['/log'] },
  });
  await writeFile(file, text);
  const config = (what: string): Promise<number> => configCommand([what, '--config', file, '--json']);
  for (const lost of ['overlay', 'state']) {
    const store = new RemoteStore(configDisk(directory), NO_LOG);
    const { seq } = await store.open();
    const good = await store.putOverlay(seq + 1, lost, { patch: { log: { level: 'debug' } }, was: {} });
    await store.keep({ ...NO_REMOTE, seq: seq + 1, good });
    assert.equal(await config('diff'), 0);
    const files = lost === 'overlay' ? [String(good.file)] : ['state.json', 'state.json.old'];
    for (const name of files) await writeFile(join(directory, name), 'torn');
    for (const what of ['diff', 'adopt']) {
      await assert.rejects(config(what), (error) => error instanceof Fault && error.code === 'state.disk', what);
    }
    assert.equal(await config('drop'), 0, lost);
    const after = new RemoteStore(configDisk(directory), NO_LOG);
    assert.deepEqual([(await after.open()).good.file, after.damaged], [null, false]);
    assert.equal(await config('diff'), 0);
    assert.equal(await readFile(file, 'utf8'), text);
  }
});
