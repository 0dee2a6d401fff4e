/** Who says that the clock is synchronised: the file that systemd-timesyncd touches, or a program that asks the kernel. */
import assert from 'node:assert/strict';
import { chmod, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { timeService } from '../../src/platform/time-service.ts';
import type { TimeService } from '../../src/ports.ts';
import { temporaryDirectory } from '../rig/temp.ts';

interface Bench {
  readonly service: TimeService;
  /** Touches the marker, with a time so far from now. */
  readonly touch: (fromNowMs?: number) => Promise<void>;
  readonly removeMarker: () => Promise<void>;
  /** What the program prints. */
  readonly say: (text: string, status?: number) => Promise<void>;
}

async function bench(t: TestContext): Promise<Bench> {
  const directory = await temporaryDirectory(t);
  const marker = join(directory, 'synchronized');
  const program = join(directory, 'timedatectl');
  const say = async (text: string, status = 0): Promise<void> => {
    await writeFile(program, `#!/bin/sh\necho ${text}\nexit ${status}\n`);
    await chmod(program, 0o755);
  };
  return {
    service: timeService({ marker, program: [program] }),
    touch: async (fromNowMs = 0) => {
      await writeFile(marker, '');
      const seconds = (Date.now() + fromNowMs) / 1000;
      await utimes(marker, seconds, seconds);
    },
    removeMarker: () => rm(marker),
    say,
  };
}

test('without a file and without a program nobody keeps the clock', async (t) => {
  const { service } = await bench(t);
  assert.equal(await service.isSynchronised(0), false);
});

test('a file that was touched of late says so, one that is old or of the future does not', async (t) => {
  for (const [fromNowMs, holds] of [
    [-60_000, true],
    [-10 * 3_600_000, false],
    [60_000, false],
  ] as const) {
    const { service, touch } = await bench(t);
    await touch(fromNowMs);
    assert.equal(await service.isSynchronised(0), holds, String(fromNowMs));
  }
});

test('a file that is touched while the agent runs counts, whatever the clock said then', async (t) => {
  const { service, touch, removeMarker } = await bench(t);
  assert.equal(await service.isSynchronised(0), false);
  await touch(-20 * 3_600_000);
  assert.equal(await service.isSynchronised(0), true);
  await removeMarker();
  assert.equal(await service.isSynchronised(0), false);
});

test('after the clock was set the file counts only when it was touched anew', async (t) => {
  const { service, touch } = await bench(t);
  await touch(-60_000);
  assert.equal(await service.isSynchronised(0), true);
  assert.equal(await service.isSynchronised(1), false);
  assert.equal(await service.isSynchronised(1), false);
  await touch();
  assert.equal(await service.isSynchronised(1), true);
});

test('the kernel is asked through a program, and only a plain yes counts', async (t) => {
  for (const [text, status, holds] of [
    ['yes', 0, true],
    ['no', 0, false],
    ['yes', 1, false],
    ['NTPSynchronized=yes', 0, false],
  ] as const) {
    const { service, say } = await bench(t);
    await say(text, status);
    assert.equal(await service.isSynchronised(0), holds, `${text} ${status}`);
  }
});

test('the program is not asked again at each look', async (t) => {
  const { service, say } = await bench(t);
  await say('yes');
  assert.equal(await service.isSynchronised(0), true);
  await say('no');
  assert.equal(await service.isSynchronised(0), true);
  assert.equal(await service.isSynchronised(1), false, 'what it said before the clock was set does not count');
});
