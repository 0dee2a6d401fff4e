/**
 * The ledger's real files with named faults around them: `{ op: 'write', at: 3, error: 'EIO' }` makes the third write
 * fail. A fault may last, tear the write it hits, or strike after the real work was done.
 */
import type { DurableFile, LedgerFiles } from '../../src/ledger/files.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';

export type FaultOp =
  | 'lock'
  | 'list'
  | 'read'
  | 'sync'
  | 'syncDirectory'
  | 'makeZeroed'
  | 'openDurable'
  | 'openNote'
  | 'note'
  | 'write'
  | 'close'
  | 'rename'
  | 'remove'
  | 'freeBytes';

export interface FileFault {
  readonly op: FaultOp;
  /** The call that fails, counted from 1. */
  readonly at: number;
  /** How many calls fail; more than one: the disk stays bad for a while. */
  readonly times?: number;
  readonly error: 'EIO' | 'ENOSPC' | 'EROFS';
  /** `after`: the work is done and the error comes all the same. `torn`: half of a write is done. */
  readonly how?: 'before' | 'after' | 'torn';
}

export interface FaultyFiles extends LedgerFiles {
  /** Calls so far, by kind. */
  readonly calls: Readonly<Partial<Record<FaultOp, number>>>;
  /** Faults that struck. */
  readonly struck: number;
  fault: FileFault | undefined;
}

export function faultyFiles(directory: string, fault?: FileFault): FaultyFiles {
  const real = ledgerFiles(directory);
  const calls: Partial<Record<FaultOp, number>> = {};
  const faulty = { calls, struck: 0, fault };
  const strikes = (op: FaultOp): FileFault | undefined => {
    const count = (calls[op] ?? 0) + 1;
    calls[op] = count;
    const now = faulty.fault;
    if (now?.op !== op || count < now.at || count >= now.at + (now.times ?? 1)) return undefined;
    faulty.struck += 1;
    return now;
  };
  const run = async <T>(op: FaultOp, work: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> => {
    const hit = strikes(op);
    if (hit === undefined) return work();
    if (hit.how === 'after') await work();
    if (hit.how === 'torn') await half?.();
    throw failure(op, hit);
  };
  const durable = (file: DurableFile): DurableFile => ({
    write: (bytes, at) =>
      run(
        'write',
        () => file.write(bytes, at),
        () => file.write(bytes.subarray(0, bytes.length >> 1), at),
      ),
    close: () => run('close', () => file.close()),
  });
  return Object.assign(faulty, {
    lock: () => run('lock', () => real.lock()),
    unlock: () => real.unlock(),
    list: () => run('list', () => real.list()),
    read: (name: string, from: number, length: number) => run('read', () => real.read(name, from, length)),
    sync: (name: string) => run('sync', () => real.sync(name)),
    syncDirectory: () => run('syncDirectory', () => real.syncDirectory()),
    makeZeroed: (name: string, bytes: number) =>
      run(
        'makeZeroed',
        () => real.makeZeroed(name, bytes),
        () => real.makeZeroed(name, bytes >> 1),
      ),
    openDurable: (name: string) => run('openDurable', async () => durable(await real.openDurable(name))),
    openNote: (name: string) =>
      run('openNote', async () => {
        const note = await real.openNote(name);
        const write = (bytes: Buffer, at: number): void => {
          const hit = strikes('note');
          if (hit !== undefined) throw failure('note', hit);
          note.write(bytes, at);
        };
        return { write, close: () => note.close() };
      }),
    rename: (from: string, to: string) => run('rename', () => real.rename(from, to)),
    remove: (names: readonly string[]) => run('remove', () => real.remove(names)),
    quarantine: (name: string, bytes: Buffer) => real.quarantine(name, bytes),
    freeBytes: () => run('freeBytes', () => real.freeBytes()),
  });
}

function failure(op: string, fault: FileFault): NodeJS.ErrnoException {
  return Object.assign(new Error(`${fault.error}: planted in ${op}`), { code: fault.error });
}
