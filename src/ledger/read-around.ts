/**
 * Reads past bad sectors: where the disk can not give some blocks (EIO), zeros stand for them, which no reader of frames
 * takes for a frame. When it can give none at all the disk itself is gone, and the error is the caller's to report:
 * taking that for damage would write off sound events.
 */
import { systemCodeOf } from '../fault.ts';
import type { LedgerReader } from './files.ts';

const BLOCK_BYTES = 4096;

export async function readAround(files: LedgerReader, name: string, from: number, length: number): Promise<Buffer> {
  try {
    return await files.read(name, from, length);
  } catch (error) {
    if (systemCodeOf(error) !== 'EIO') throw error;
    return readBlocks(files, name, from, length, error);
  }
}

async function readBlocks(
  files: LedgerReader,
  name: string,
  from: number,
  length: number,
  failure: unknown,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let got = 0;
  for (let at = 0; at < length; ) {
    const size = Math.min(length - at, BLOCK_BYTES - ((from + at) % BLOCK_BYTES));
    const block = await files.read(name, from + at, size).catch(() => undefined);
    block?.copy(bytes, at);
    got += block?.length ?? 0;
    if (block !== undefined && block.length < size) return bytes.subarray(0, at + block.length);
    at += size;
  }
  if (got === 0) throw failure;
  return bytes;
}
