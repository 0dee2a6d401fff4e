/** A file that takes all the room of a small disk. */
import { closeSync, openSync, writeSync } from 'node:fs';

/** Takes every free byte; what is freed is taken at the next call. */
export function fillWith(ballast: string): void {
  const file = openSync(ballast, 'a');
  const zeros = Buffer.alloc(64 * 1024);
  try {
    for (let size = zeros.length; size >= 4096; size /= 2) {
      try {
        for (let n = 0; n < 10_000; n += 1) writeSync(file, zeros, 0, size);
      } catch {
        // Full for this size; a smaller piece may still fit.
      }
    }
  } finally {
    closeSync(file);
  }
}
