/**
 * Disks of a row's own that only root can make: an ext4 in a file behind a loop device, whose power can be cut, and a tmpfs
 * of a few MiB. Where that is not allowed the row is skipped.
 */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeTemporaryDirectory } from '../../src/workbench/temp.ts';
import type { Undo } from '../../src/workbench/undo.ts';
import { fillWith } from '../rig/ballast.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const UNMOUNT_TRIES = 50;

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing reaches the disk any more, as when the power goes. */
const SHUT_DOWN =
  'open(my $at, "<", $ARGV[0]) or die $!; my $how = pack("L", 2); ioctl($at, 0x8004587d, $how) or die $!;';

export interface Disk {
  readonly path: string;
  /** Takes every free byte. */
  readonly fill: () => void;
  readonly free: () => void;
}

export interface PowerDisk extends Disk {
  /** From now on every write fails, and what was not synced is gone. */
  readonly cutPower: () => Promise<void>;
  /** After the processes on it have ended: mounted again, its journal replayed. */
  readonly powerUp: () => Promise<void>;
}

/** An ext4 in a file, or why there can be none. */
export async function loopDisk(undo: Undo, mib: number): Promise<PowerDisk | string> {
  const { path, image } = await folder(undo);
  await writeFile(image, '');
  await truncate(image, mib * MIB);
  const mount = async (): Promise<void> => void (await run('mount', ['-o', 'loop', image, path]));
  try {
    await run('mkfs.ext4', ['-q', '-F', image]);
    await mount();
  } catch (error) {
    return `no ext4 on a loop device: ${firstLine(error)}`;
  }
  undo.add(() => unmount(path));
  return {
    ...disk(path),
    cutPower: async () => void (await run('perl', ['-e', SHUT_DOWN, path])),
    powerUp: async () => {
      await unmount(path);
      await mount();
    },
  };
}

/** A tmpfs, or why there can be none. */
export async function smallDisk(
  undo: Undo,
  size: string,
): Promise<(Disk & { remount(how: 'ro' | 'rw'): Promise<void> }) | string> {
  const { path } = await folder(undo);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  } catch (error) {
    return `no tmpfs: ${firstLine(error)}`;
  }
  undo.add(() => unmount(path));
  return { ...disk(path), remount: async (how) => void (await run('mount', ['-o', `remount,${how}`, path])) };
}

async function folder(undo: Undo): Promise<{ readonly path: string; readonly image: string }> {
  const directory = await makeTemporaryDirectory('disk');
  undo.add(directory.remove);
  const path = join(directory.path, 'mounted');
  await mkdir(path);
  return { path, image: join(directory.path, 'image') };
}

function disk(path: string): Disk {
  const ballast = join(path, 'ballast');
  return { path, fill: () => fillWith(ballast), free: () => rmSync(ballast, { force: true }) };
}

/** A process that was just killed may hold it for a moment. */
async function unmount(path: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await run('umount', [path]);
      return;
    } catch (error) {
      if (tries === UNMOUNT_TRIES) {
        await run('umount', ['-l', path]);
        throw error;
      }
      await pause(50);
    }
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 2).join(': ');
}
