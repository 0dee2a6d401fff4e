/** Bytes that this process has caused to be written to storage, from the kernel's own account (proc(5), io). */
import { readFileSync } from 'node:fs';

/** Undefined where the kernel does not tell (no /proc, or task accounting off). */
export function writtenBytes(): number | undefined {
  try {
    const found = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
