/** Compresses away from the event loop: a diagnosis of some hundred kilobytes would else hold up a sensor's answer. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export const compress: (bytes: Buffer) => Promise<Buffer> = promisify<Buffer, Buffer>(gzip);
