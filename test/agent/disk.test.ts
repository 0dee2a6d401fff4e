import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Child } from '../../src/workbench/child.ts';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import { fillWith } from '../rig/ballast.ts';
import { until } from '../rig/wait.ts';
import { answered, degraded, received, sell } from './sales.ts';
import { setStage } from './stage.ts';

const DEADLINE_MS = 30_000;
const run = promisify(execFile);

/** A file system of 6 MiB that the test may fill: a tmpfs of its own. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const directory = await makeTemporaryDirectory('disk');
  const mount = ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory.path];
  const mounted = await run('mount', mount).then(
    () => true,
    () => false,
  );
  t.after(async () => {
    if (mounted) await run('umount', ['-l', directory.path]);
    await directory.remove();
  });
  return mounted ? directory.path : undefined;
}

async function smallSegments(config: string): Promise<void> {
  const document = JSON.parse(await readFile(config, 'utf8')) as { ledger: Record<string, unknown> };
  document.ledger = { ...document.ledger, segmentBytes: '64KiB' };
  await writeFile(config, JSON.stringify(document));
}

test('a full disk refuses sales without an answer, says so, and takes them again when there is room', async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) {
    t.skip('needs the right to mount a tmpfs');
    return;
  }
  const stage = await setStage(t, { ledgerDirectory: join(disk, 'ledger') });
  await smallSegments(stage.config);
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await until(() => readdirSync(join(disk, 'ledger')).includes('reserve'), 'the reserve', DEADLINE_MS);
  const ballast = join(disk, 'ballast');
  let seq = 0;
  const refusedAt = await until(
    async () => {
      fillWith(ballast);
      seq += 1;
      await sell(stage, seq);
      const asked = seq;
      const word = await until(
        () => answered(stage, asked) || stage.agent.child.lines.some((line) => line.includes('refuses events')),
        `an answer or a refusal of sale ${asked}`,
        DEADLINE_MS,
      );
      return word && !answered(stage, asked) ? asked : undefined;
    },
    'a refusal',
    120_000,
  );
  const said = async (): Promise<boolean> => {
    fillWith(ballast);
    await sell(stage, refusedAt);
    return degraded(stage).includes('ledger.disk');
  };
  await until(said, 'ledger.disk in the status', DEADLINE_MS);
  assert.equal(stage.agent.running, true);
  rmSync(ballast);
  await until(
    async () => {
      await sell(stage, refusedAt);
      return answered(stage, refusedAt);
    },
    'the answer once there is room',
    DEADLINE_MS,
  );
  await until(() => !degraded(stage).includes('ledger.disk'), 'a status without ledger.disk', DEADLINE_MS);
  const wanted = Array.from({ length: refusedAt }, (_, at) => at + 1);
  await until(() => received(stage).length >= refusedAt, 'every sale', DEADLINE_MS);
  assert.deepEqual(received(stage), wanted);
});

test('a disk that fails each write (EIO) refuses sales without an answer, and nothing is lost or doubled after it', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) {
    t.skip('needs strace');
    return;
  }
  const stage = await setStage(t);
  stage.agent.start();
  await stage.agent.child.line(/broker connected/, DEADLINE_MS);
  await sell(stage, 1);
  await until(() => answered(stage, 1), 'the first answer', DEADLINE_MS);
  const pid = String(stage.agent.child.pid);
  const calls = 'pwrite64,fsync,fdatasync';
  const strace = new Child({
    command: 'strace',
    args: ['-f', '-p', pid, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO`],
  });
  t.after(() => strace.kill9());
  await strace.line(/attached/, DEADLINE_MS);
  await sell(stage, 2);
  await stage.agent.child.line(/refuses events/, DEADLINE_MS);
  await until(() => degraded(stage).includes('ledger.disk'), 'ledger.disk in the status', DEADLINE_MS);
  assert.equal(answered(stage, 2), false);
  await strace.stop(5000);
  await until(
    async () => {
      await sell(stage, 2);
      return answered(stage, 2);
    },
    'the answer once the disk works',
    DEADLINE_MS,
  );
  await sell(stage, 3);
  await until(() => received(stage).includes(3), 'the third sale', DEADLINE_MS);
  assert.deepEqual(received(stage), [1, 2, 3]);
});
