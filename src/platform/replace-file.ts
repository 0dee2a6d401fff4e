/** Puts a new text in the place of a file, in one step that a power cut respects: mode, owner and links to it stay. */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Throws the system's error; the file is then as it was. */
export function replaceFile(path: string, text: string): void {
  const real = realpathSync(path);
  const { mode, uid, gid } = statSync(real);
  const fresh = `${real}.new`;
  rmSync(fresh, { force: true });
  // Never through a link that somebody else has put there.
  const file = openSync(fresh, 'wx', 0o600);
  try {
    // All of it or an error: writeSync may stop half way on a disk that is all but full.
    writeFileSync(file, text);
    fchmodSync(file, mode & 0o777);
    if (process.getuid?.() === 0) fchownSync(file, uid, gid);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, real);
  const directory = openSync(dirname(real), 'r');
  fsyncSync(directory);
  closeSync(directory);
}
