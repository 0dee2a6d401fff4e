/**
 * The disk under the ledger becomes read-only while the agent works, as ext4 makes it after an error (errors=remount-ro),
 * and is repaired and mounted again under the running agent. An ext4 of its own on a loop device: needs root.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { until } from '../rig/wait.ts';
import { answered, degraded, received, sell } from './sales.ts';
import { setStage } from './stage.ts';

const DEADLINE_MS = 40_000;
const run = promisify(execFile);

interface FailingDisk {
  readonly path: string;
  /** An error of the file system, by the kernel's own hand. */
  readonly fail: () => Promise<void>;
  /** What an administrator does: unmount, check, mount. */
  readonly repair: () => Promise<void>;
}

async function failingDisk(t: TestContext): Promise<FailingDisk | undefined> {
  const directory = await makeTemporaryDirectory('read-only');
  const [image, path] = [join(directory.path, 'image'), join(directory.path, 'mounted')];
  await mkdir(path);
  await writeFile(image, '');
  await truncate(image, 64 * 1024 * 1024);
  const mount = async (): Promise<void> => void (await run('mount', ['-o', 'loop,errors=remount-ro', image, path]));
  const mounted = await run('mkfs.ext4', ['-q', '-F', image])
    .then(mount)
    .then(
      () => true,
      () => false,
    );
  t.after(async () => {
    if (mounted) await run('umount', ['-l', path]).catch(() => undefined);
    await directory.remove();
  });
  if (!mounted) return undefined;
  const { stdout } = await run('findmnt', ['-no', 'SOURCE', path]);
  const trigger = `/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`;
  if (!existsSync(trigger)) return undefined;
  return {
    path,
    fail: () => writeFile(trigger, 'fieldpost'),
    repair: async () => {
      await run('umount', ['-l', path]);
      // 1: errors were corrected. The agent may still hold the old mount; the image is then checked as it is.
      await run('e2fsck', ['-fy', image]).catch(() => undefined);
      await mount();
    },
  };
}

test('a disk that becomes read-only refuses sales without an answer, says so, and nothing is lost or doubled after it', async (t) => {
  const disk = await failingDisk(t);
  if (disk === undefined) return t.skip('needs root, a loop device and ext4');
  const stage = await setStage(t, { ledgerDirectory: join(disk.path, 'ledger') });
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await sell(stage, 1);
  await until(() => answered(stage, 1), 'the first answer', DEADLINE_MS);
  await disk.fail();
  await sell(stage, 2);
  await stage.agent.child.line(/refuses events/, DEADLINE_MS);
  await until(() => degraded(stage).includes('ledger.disk'), 'ledger.disk in the status', DEADLINE_MS);
  assert.equal(answered(stage, 2), false);
  assert.equal(stage.agent.running, true);
  await disk.repair();
  await until(
    async () => {
      await sell(stage, 2);
      return answered(stage, 2);
    },
    'the answer once the disk can be written',
    DEADLINE_MS,
  );
  await sell(stage, 3);
  await until(() => received(stage).includes(3), 'the third sale', DEADLINE_MS);
  assert.deepEqual(received(stage), [1, 2, 3]);
});
