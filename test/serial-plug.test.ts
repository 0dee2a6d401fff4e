/** What is plugged in is opened at once: real folders, links and ttys, and a back-off that is never over. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../src/platform/clock.ts';
import { lineOpener } from '../src/platform/lines.ts';
import { whenDeviceAppears } from '../src/platform/path-watch.ts';
import type { Clock } from '../src/ports.ts';
import type { LineOpener, PortSpec } from '../src/ports-line.ts';
import { type Line, lineFactory } from '../src/serial/line.ts';
import { HandClock } from './sensor-rig.ts';
import { keptLog, ptyFor, ttySpec, until } from './serial-rig.ts';

/** Times every back-off by this: none of them ends within a test. */
const NEVER = 10_000;

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fieldpost-plug-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function hitsOf(t: TestContext, path: string): { count: number } {
  const hits = { count: 0 };
  const watched = whenDeviceAppears(path, () => {
    hits.count += 1;
  });
  t.after(() => watched.cancel());
  return hits;
}

/** Time for a hit that must not come: a later change in the same folder is seen by a watch of its own. */
async function quiet(t: TestContext, folder: string): Promise<void> {
  const marker = join(folder, `marker-${process.hrtime.bigint()}`);
  const later = hitsOf(t, marker);
  await writeFile(marker, '');
  await until(() => later.count === 1, 'the marker');
}

test('a link that appears with its folders is told once', async (t) => {
  const folder = await folderFor(t);
  const pty = await ptyFor(t);
  const byId = join(folder, 'serial', 'by-id');
  const hits = hitsOf(t, join(byId, 'usb-meter'));
  await mkdir(byId, { recursive: true });
  await symlink(pty.path, join(byId, 'usb-other'));
  await quiet(t, byId);
  assert.equal(hits.count, 0);
  await symlink(pty.path, join(byId, 'usb-meter'));
  await until(() => hits.count === 1, 'the device');
  await unlink(join(byId, 'usb-meter'));
  await symlink(pty.path, join(byId, 'usb-meter'));
  await quiet(t, byId);
  assert.equal(hits.count, 1);
});

test('folders that go with the last adapter and come again are followed', async (t) => {
  const folder = await folderFor(t);
  const pty = await ptyFor(t);
  const serial = join(folder, 'serial');
  const path = join(serial, 'by-id', 'usb-meter');
  await mkdir(join(serial, 'by-id'), { recursive: true });
  const hits = hitsOf(t, path);
  for (let times = 0; times < 3; times += 1) {
    await rm(serial, { recursive: true });
    await mkdir(join(serial, 'by-id'), { recursive: true });
  }
  assert.equal(hits.count, 0);
  await symlink(pty.path, path);
  await until(() => hits.count === 1, 'the device');
});

test('a device that stays where it was is not told, whatever is written to it; another in its place is', async (t) => {
  const folder = await folderFor(t);
  const [one, other] = [await ptyFor(t), await ptyFor(t)];
  const path = join(folder, 'usb-meter');
  await symlink(one.path, path);
  const hits = hitsOf(t, path);
  await one.write('x');
  await writeFile(path, 'y');
  await quiet(t, folder);
  assert.equal(hits.count, 0);
  await symlink(other.path, join(folder, 'new'));
  await rename(join(folder, 'new'), path);
  await until(() => hits.count === 1, 'the other device');
});

test('cancelled, it tells nothing', async (t) => {
  const folder = await folderFor(t);
  const pty = await ptyFor(t);
  const path = join(folder, 'usb-meter');
  let hits = 0;
  const watched = whenDeviceAppears(path, () => {
    hits += 1;
  });
  watched.cancel();
  await symlink(pty.path, path);
  await quiet(t, folder);
  assert.equal(hits, 0);
});

interface Seen {
  readonly line: Line;
  readonly frames: string[];
}

function lineOf(t: TestContext, port: PortSpec, ports: { opener?: LineOpener; clock?: Clock } = {}): Seen {
  const frames: string[] = [];
  const { opener = lineOpener(systemClock), clock = systemClock } = ports;
  const chance = { unit: () => NEVER, bytes: (count: number) => Buffer.alloc(count) };
  const line = lineFactory({ opener, clock, chance, log: keptLog() })({
    sensor: 'pump',
    port,
    framing: { type: 'line', delimiter: '\n', max: 64 },
    dropsTorn: false,
    events: {
      up: () => undefined,
      down: () => undefined,
      frame: (_, bytes) => frames.push(bytes.toString('latin1')),
      discarded: () => undefined,
    },
  });
  t.after(() => line.stop());
  return { line, frames };
}

test('a line whose device is plugged in is opened without waiting for its back-off, each time', async (t) => {
  const path = join(await folderFor(t), 'by-id', 'usb-meter');
  const { line, frames } = lineOf(t, ttySpec(path));
  line.start();
  await until(() => line.state.kind === 'lost', 'the failed opening');
  for (const text of ['first', 'second', 'third']) {
    const pty = await ptyFor(t);
    await mkdir(join(path, '..'));
    await symlink(pty.path, path);
    await until(() => line.state.kind === 'up', `the ${text} device`);
    await pty.write(`${text}\n`);
    await until(() => frames.at(-1) === text, `the ${text} frame`);
    // As udev does it: the tty hangs up first, then its link goes, and the folder with the last one.
    await pty.close();
    await until(() => line.state.kind === 'lost', 'the loss');
    await rm(join(path, '..'), { recursive: true });
  }
});

test('a line whose link was turned to another device is opened there once the old one is pulled', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'usb-meter');
  const [old, next] = [await ptyFor(t), await ptyFor(t)];
  await symlink(old.path, path);
  const { line, frames } = lineOf(t, ttySpec(path));
  line.start();
  await until(() => line.state.kind === 'up', 'the old device');
  await old.write('torn');
  await until(() => line.counters.bytes === 4, 'its bytes');
  await old.close();
  await until(() => line.state.kind === 'lost', 'the loss');
  await symlink(next.path, join(folder, 'new'));
  await rename(join(folder, 'new'), path);
  await until(() => line.state.kind === 'up', 'the next device');
  await next.write('whole\n');
  await until(() => frames.length > 0, 'its frame');
  assert.deepEqual(frames, ['whole']);
});

test('a plug that flaps is tried four times a second at most', async (t) => {
  const clock = new HandClock();
  let openings = 0;
  const opener: LineOpener = {
    open: () => {
      openings += 1;
      return Promise.reject(new Error('not yet'));
    },
    appears: (_, run) => clock.after(1, run),
  };
  const { line } = lineOf(t, ttySpec('/dev/usb-meter'), { opener, clock });
  line.start();
  for (let ms = 0; ms < 2000; ms += 10) {
    clock.pass(10);
    await Promise.resolve();
    await Promise.resolve();
  }
  // The first two, by the start and the first plug, and one for each 250 ms.
  assert.ok(openings >= 8 && openings <= 10, `${openings} openings`);
  const stopped = line.stop();
  clock.pass(2000);
  await stopped;
  assert.equal(clock.timers, 0);
});
