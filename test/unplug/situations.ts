/** What a line and its reader are doing when the plug is pulled, and what a frame of the device looks like. */
import { execFileSync } from 'node:child_process';
import { close, closeSync, constants, open, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface Situation {
  readonly name: string;
  /** What the device sends at once, bytes; 0: it says nothing. */
  readonly pieceBytes: number;
  /** Milliseconds between two pieces; 0: as fast as they are taken. */
  readonly everyMs: number;
  /** Bytes that the reader has had when the plug is pulled. */
  readonly afterBytes: number;
  /** Work of the reader's event loop for each chunk, milliseconds. */
  readonly workMs: number;
  /** Every thread of the reader's pool waits for a disk that does not answer. */
  readonly poolBlocked: boolean;
}

/** Of a frame: in the framer when the plug of a device that says nothing more is pulled. */
export const HALF_BYTES = 30;

const SILENT = { pieceBytes: 0, everyMs: 0, afterBytes: HALF_BYTES, workMs: 0, poolBlocked: false };
/** 11.5 kB/s in pieces of 4 ms: 115200 Bd. */
const TRICKLE = { ...SILENT, pieceBytes: 46, everyMs: 4, afterBytes: 200 };
const FULL = { ...SILENT, pieceBytes: 65_536, afterBytes: 512 * 1024 };

export const SITUATIONS: readonly Situation[] = [
  { ...SILENT, name: 'idle' },
  { ...TRICKLE, name: '115200 Bd' },
  { ...FULL, name: 'full speed' },
  { ...TRICKLE, name: '115200 Bd, 5 ms of work a chunk', workMs: 5 },
  { ...FULL, name: 'full speed, 5 ms of work a chunk', afterBytes: 64 * 1024, workMs: 5 },
  { ...TRICKLE, name: '115200 Bd, every thread waits for the disk', poolBlocked: true },
];

/** The plug is pulled up to this long after the bytes that had to come first. */
export const MOMENT_MS = 30;
/** One that is not over after this long was not seen, milliseconds. */
export const SEEN_MS = 1000;
/** Of a core, afterwards: little is left to do then. A reader that spins takes most of one. */
export const CPU_MAX = 0.3;

const FRAME_LENGTH = 71;

/** Each has a number of its own. A newline ends it. */
export function frameText(plug: number, count: number): string {
  return `${`{"plug":${plug},"count":${count},"pad":"`.padEnd(FRAME_LENGTH - 2, 'x')}"}`;
}

export function isWhole(frame: string, plug: number): boolean {
  return frame.startsWith(`{"plug":${plug},"count":`) && /^[^x]+x+"}$/.test(frame) && frame.length === FRAME_LENGTH;
}

export function workFor(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** Keeps every thread of this process's pool in a system call until the answer is called. `folder` is for a named pipe. */
export function blockPool(folder: string): () => void {
  const pipe = join(folder, `disk-${process.pid}`);
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  // Opening a pipe that nobody writes to waits for somebody who does.
  for (let thread = 0; thread < threads; thread += 1)
    open(pipe, 'r', (_error, fd) => fd !== undefined && close(fd, () => undefined));
  return () => {
    closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
    rmSync(pipe);
  };
}
