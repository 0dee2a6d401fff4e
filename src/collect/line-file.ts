/**
 * Files of lines that are only ever appended to. A line counts once it is synced; after a crash the last one may be torn,
 * and is cut off. They are read by pieces: a file may be larger than the memory.
 */
import { closeSync, fdatasync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, write } from 'node:fs';
import { promisify } from 'node:util';

const writeSome = promisify(write);
const sync = promisify(fdatasync);

const LINE_END = 10;
/** What is read at once; a line beyond it is none of ours, and is passed over. */
const WINDOW_BYTES = 1024 * 1024;

/** On stable storage when it resolves; gives the number of bytes. When it rejects, nothing more may be appended. */
export async function appendLines(file: number, lines: readonly Buffer[]): Promise<number> {
  const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.of(LINE_END)]));
  const { size } = fstatSync(file);
  try {
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await writeSome(file, bytes, written, bytes.length - written, null);
      written += bytesWritten;
    }
    await sync(file);
    return bytes.length;
  } catch (error) {
    // After a failed sync the page cache shows lines that the disk never got, and a next start would believe them.
    cutOff(file, size);
    throw error;
  }
}

function cutOff(file: number, size: number): void {
  try {
    ftruncateSync(file, size);
  } catch {
    // The first error says more.
  }
}

/**
 * Makes whole what a crash left, and shows each line from byte `from` on, where one begins; the bytes are only lent. Throws
 * the system's error.
 */
export function mendLines(path: string, from: number, show: (line: Buffer) => void): void {
  const file = openSync(path, 'r+');
  try {
    // What a killed process left in the page cache only, a power cut would take back after a receipt has claimed it.
    fsyncSync(file);
    const { size } = fstatSync(file);
    const end = readLines(file, from <= size ? from : 0, show);
    if (end === size) return;
    ftruncateSync(file, end);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Gives where the last whole line ends. */
function readLines(file: number, from: number, show: (line: Buffer) => void): number {
  const window = Buffer.alloc(WINDOW_BYTES);
  let end = from;
  /** The window begins inside a line that is passed over. */
  let inside = false;
  for (let at = from; ; ) {
    const bytes = window.subarray(0, readWhole(file, window, at));
    let line = 0;
    for (let next = bytes.indexOf(LINE_END); next >= 0; next = bytes.indexOf(LINE_END, line)) {
      if (!inside) show(bytes.subarray(line, next));
      inside = false;
      line = next + 1;
      end = at + line;
    }
    if (bytes.length < WINDOW_BYTES) return end;
    inside ||= line === 0;
    at += line === 0 ? bytes.length : line;
  }
}

function readWhole(file: number, window: Buffer, at: number): number {
  let length = 0;
  for (let more = -1; more !== 0 && length < window.length; length += more)
    more = readSync(file, window, length, window.length - length, at + length);
  return length;
}
