/**
 * What the remote configuration needs of a disk: one directory of small files, with the three promises that a power cut
 * respects told apart (data, names, neither). The platform implements it; the model test implements it as the worst disk
 * that is still allowed.
 */
export interface ConfigDisk {
  /** Undefined: there is no such file. */
  read(name: string): Promise<Buffer | undefined>;
  list(): Promise<readonly string[]>;
  /** Makes or replaces the file; nothing of it is on stable storage yet. */
  write(name: string, bytes: Buffer): Promise<void>;
  /** The file's data is on stable storage; its name may not be. */
  sync(name: string): Promise<void>;
  /** The names are on stable storage. */
  syncNames(): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No error when it is not there. */
  remove(name: string): Promise<void>;
}
