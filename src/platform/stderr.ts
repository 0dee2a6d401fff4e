/**
 * Text to stderr that must not end the process: whoever read it may have gone, its disk may be full. What can not be written
 * is lost; billing goes on without a log. (A reader that hangs holds a pipe up, as Node writes to them: the watchdog's case.)
 */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const STDERR = 2;

let isFile: boolean | undefined;

/** Pipes and sockets report later, by an event: main.ts listens. */
export function writeStderr(text: string): void {
  try {
    isFile ??= looksLikeFile();
    // Node's own stream for files throws where the disk is full, and takes every later line into memory then.
    if (isFile) writeSync(STDERR, text);
    else process.stderr.write(text);
  } catch {
    // There is no other place to tell it.
  }
}

function looksLikeFile(): boolean {
  const kind = fstatSync(STDERR);
  return kind.isFile() || (kind.isCharacterDevice() && !isatty(STDERR));
}
