/**
 * A place on a real disk whose writes can be counted. As root a small ext4 of its own on a loop device, where every sector
 * counts: journal, zero-filling and late metadata included. Else a directory, and the figure is this process's own
 * write_bytes, which knows nothing of the journal.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const TMPFS = 0x01021994;

/** Plain data, so that a worker can be told of it. */
export interface Place {
  readonly directory: string;
  /** The block device's statistics; undefined: /proc/self/io. */
  readonly stat: string | undefined;
  /** The file that holds the file system, where it is one of its own. */
  readonly image: string | undefined;
}

export interface MountedPlace extends Place {
  readonly how: string;
  readonly leave: () => Promise<void>;
}

/** A folder for temporary files that a disk is under: a sync that reaches only memory would flatter everybody. */
export function diskFolder(): string {
  const folder = [tmpdir(), '/var/tmp', process.cwd()].find((path) => statfsSync(path).type !== TMPFS);
  if (folder === undefined) throw new Error('no folder on a disk found for temporary files; set TMPDIR to one');
  return folder;
}

export async function makePlace(name: string, bytes: number): Promise<MountedPlace> {
  const home = await mkdtemp(join(diskFolder(), `fieldpost-${name}-`));
  const leave = async (): Promise<void> => rm(home, { recursive: true, force: true });
  const how = 'write_bytes of the process (no journal)';
  const plain = { directory: home, stat: undefined, image: undefined, how, leave };
  if (process.getuid?.() !== 0) return plain;
  const image = join(home, 'disk');
  const directory = join(home, 'mounted');
  await (await open(image, 'w')).close();
  await truncate(image, bytes);
  await mkdir(directory);
  const made = spawnSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  if (made.status !== 0 || spawnSync('mount', ['-o', 'loop,noatime', image, directory]).status !== 0) return plain;
  const source = spawnSync('findmnt', ['-no', 'SOURCE', directory]).stdout.toString().trim();
  const device = basename(source);
  return {
    directory,
    stat: `/sys/block/${device}/stat`,
    image,
    how: `sectors written to an ext4 on ${device}, journal and zero-filling included`,
    leave: async () => {
      spawnSync('umount', [directory]);
      await leave();
    },
  };
}

/** Bytes written so far; what is late is written out first. */
export function writtenBytes(place: Place): number {
  if (place.stat === undefined)
    return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
  spawnSync('sync', ['-f', place.directory]);
  return Number(readFileSync(place.stat, 'utf8').trim().split(/\s+/)[6]) * 512;
}

/** Takes the files out of the page cache, as far as the system does (posix_fadvise), so that the next reader meets the disk. */
export function forget(place: Place, directory: string): void {
  const files = readdirSync(directory).map((name) => join(directory, name));
  if (place.image !== undefined) files.push(place.image);
  for (const file of files) spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}
