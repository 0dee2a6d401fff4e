/** Files of a package as they are written: with the mode that is asked for, whatever the umask, and one time for all. */
import { chmodSync, lutimesSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export function put(path: string, contents: string | Uint8Array, mode: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  chmodSync(path, mode);
}

/** Without name and time in it, so that the same text is the same file. */
export function putCompressed(path: string, contents: string | Uint8Array): void {
  put(`${path}.gz`, gzipSync(contents, { level: 9 }), 0o644);
}

/** Gives every file, link and directory below the time, so that a package depends on nothing but its content. */
export function stamp(tree: string, epochSeconds: number): void {
  for (const path of [...readdirSync(tree, { recursive: true, encoding: 'utf8' }), '.']) {
    lutimesSync(join(tree, path), epochSeconds, epochSeconds);
  }
}
