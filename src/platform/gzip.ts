/** Compresses away from the event loop: a diagnosis of some hundred kilobytes would else hold up a sensor's answer. */
import { promisify } from 'node:util';

/** Loaded when it is wanted: few devices are ever asked for a diagnosis, and all of them start. */
export async function compress(bytes: Buffer): Promise<Buffer> {
  const { gzip } = await import('node:zlib');
  return promisify<Buffer, Buffer>(gzip)(bytes);
}
