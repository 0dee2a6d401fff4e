/** A small file that is whole or not there, also after a power cut: written beside, synced, then put in its place. */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory } from './directories.ts';

/** Throws the system's error. Makes the directory when it is missing. */
export function writeDurably(path: string, bytes: Buffer | string, mode: number): void {
  makeDirectory(dirname(path));
  const content = Buffer.from(bytes);
  const file = openSync(`${path}.new`, 'w', mode);
  try {
    const written = writeSync(file, content);
    if (written !== content.length) throw new Error(`write of ${content.length} bytes stopped at ${written}`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  syncDirectory(dirname(path));
}

/** What a kill left in the page cache only, a power cut would take back after it had been acted on. */
export function syncFile(path: string): void {
  syncPath(path);
  syncDirectory(dirname(path));
}

export function removeDurably(path: string): void {
  unlinkSync(path);
  syncDirectory(dirname(path));
}

function syncDirectory(path: string): void {
  syncPath(path);
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
