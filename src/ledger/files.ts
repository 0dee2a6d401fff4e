/**
 * The ledger's port to its directory. Names are plain file names in that one directory. Every method that returns a
 * promise does its work off the event loop and rejects with the system's error.
 */
export interface FileEntry {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** A file whose writes are on stable storage when they resolve (O_DSYNC). */
export interface DurableFile {
  write(bytes: Buffer, at: number): Promise<void>;
  close(): Promise<void>;
}

/** A small file that is written at once into the page cache: it survives kill -9, not a power cut. */
export interface NoteFile {
  write(bytes: Buffer, at: number): void;
  close(): void;
}

/** What only reads: all that `fieldpost ledger` may do beside a running agent. */
export interface LedgerReader {
  list(): Promise<readonly FileEntry[]>;
  /** Up to `length` bytes; fewer at the end of the file. */
  read(name: string, from: number, length: number): Promise<Buffer>;
}

export interface LedgerFiles extends LedgerReader {
  /** What the disk has finished since the start, well or not: whether it moves at all. Undefined: nobody counts. */
  readonly finished?: { readonly reads: number; readonly writes: number };
  /** Makes the directory if need be and takes it for this process alone. Rejects with Fault `ledger.locked`. */
  lock(): Promise<void>;
  unlock(): Promise<void>;
  /** fsync of a file that is there, so that what is read from it is also what a power cut would leave. */
  sync(name: string): Promise<void>;
  syncDirectory(): Promise<void>;
  /** Replaces `name` by a file of zeros, its blocks allocated and synced. */
  makeZeroed(name: string, bytes: number): Promise<void>;
  openDurable(name: string): Promise<DurableFile>;
  openNote(name: string): Promise<NoteFile>;
  /** Renames and syncs the directory. */
  rename(from: string, to: string): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
  /** Keeps a copy of damaged bytes in `quarantine/`; bounded, so damage can not fill the disk. False: no room for it. */
  quarantine(name: string, bytes: Buffer): Promise<boolean>;
  /** Bytes free for this user on the file system. */
  freeBytes(): Promise<number>;
}
