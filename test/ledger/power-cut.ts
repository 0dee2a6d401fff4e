/**
 * A model of a power cut: the system calls of a real run, as strace saw them, are applied up to some moment to an empty
 * disk. What a returned O_DSYNC write or a sync promised is there. Everything else may be there or not, sector by sector;
 * names (create, rename, unlink) come in the order of the journal and stop anywhere behind the last sync.
 */
import { SECTOR_BYTES, type Syscall } from './strace-log.ts';

interface FileImage {
  bytes: Buffer;
}

interface OpenFile {
  readonly file: FileImage;
  readonly durable: boolean;
}

interface Unsynced {
  readonly file: FileImage;
  readonly bytes: Buffer;
  readonly at: number;
}

type NameChange =
  | { readonly kind: 'create'; readonly name: string; readonly file: FileImage }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string };

export interface DiskImage {
  readonly files: ReadonlyMap<string, Buffer>;
  /** What the process had written to its standard output by then. */
  readonly said: string;
}

export interface CutOptions {
  readonly chance: () => number;
  /** The control: a disk that takes a sync for nothing. */
  readonly ignoreSync?: boolean;
  /** The control: a disk that takes O_DSYNC for a plain write. */
  readonly ignoreDurable?: boolean;
}

/** The disk after a cut behind the first `count` of `calls`. */
export function cutAfter(calls: readonly Syscall[], count: number, options: CutOptions): DiskImage {
  const disk = new Disk(options);
  for (const [at, call] of calls.slice(0, count).entries()) {
    // Half of the cuts that follow a write come while it is still under way.
    const underWay = at === count - 1 && call.kind === 'write' && options.chance() < 0.5;
    disk.apply(underWay ? { ...call, returned: false } : call);
  }
  return disk.image();
}

class Disk {
  readonly #options: CutOptions;
  readonly #open = new Map<number, OpenFile>();
  /** Names as the running system sees them, and those that the journal holds for certain. */
  readonly #names = new Map<string, FileImage>();
  readonly #kept = new Map<string, FileImage>();
  #changes: NameChange[] = [];
  #unsynced: Unsynced[] = [];
  #said = '';

  constructor(options: CutOptions) {
    this.#options = options;
  }

  apply(call: Syscall): void {
    if (call.kind === 'open') this.#openFile(call);
    else if (call.kind === 'say') this.#said += call.text;
    else if (call.kind === 'rename') {
      const file = this.#names.get(call.from);
      if (file === undefined) return;
      this.#names.delete(call.from);
      this.#names.set(call.to, file);
      this.#changes.push(call);
    } else if (call.kind === 'link') {
      const file = this.#names.get(call.from);
      if (file === undefined) return;
      this.#names.set(call.to, file);
      this.#changes.push(call);
    } else if (call.kind === 'unlink') {
      this.#names.delete(call.name);
      this.#changes.push(call);
    } else if (call.kind === 'sync') {
      if (this.#options.ignoreSync !== true) this.#sync(call.fd);
    } else this.#write(call);
  }

  image(): DiskImage {
    const keep = Math.floor(this.#options.chance() * (this.#changes.length + 1));
    commit(this.#kept, this.#changes.slice(0, keep));
    // Data that no sync asked for: nothing, everything, or any sectors of it.
    const mood = this.#options.chance();
    for (const { file, bytes, at } of this.#unsynced) {
      for (let from = 0; from < bytes.length; ) {
        const end = Math.min(bytes.length, from + SECTOR_BYTES - ((at + from) % SECTOR_BYTES));
        if (mood > 0.8 || (mood > 0.2 && this.#options.chance() < 0.5)) put(file, bytes.subarray(from, end), at + from);
        from = end;
      }
    }
    return { files: new Map([...this.#kept].map(([name, file]) => [name, file.bytes])), said: this.#said };
  }

  #openFile(call: Extract<Syscall, { kind: 'open' }>): void {
    let file = this.#names.get(call.name);
    if (file === undefined) {
      if (!call.creates) return;
      file = { bytes: Buffer.alloc(0) };
      this.#names.set(call.name, file);
      this.#changes.push({ kind: 'create', name: call.name, file });
    }
    if (call.truncates) file.bytes = Buffer.alloc(0);
    this.#open.set(call.fd, { file, durable: call.durable && this.#options.ignoreDurable !== true });
  }

  #write(call: Extract<Syscall, { kind: 'write' }>): void {
    const open = this.#open.get(call.fd);
    if (open === undefined) return;
    // A write that has not returned promises nothing yet, whatever its file.
    if (open.durable && call.returned) put(open.file, call.bytes, call.at);
    else this.#unsynced.push({ file: open.file, bytes: call.bytes, at: call.at });
  }

  #sync(fd: number): void {
    const file = this.#open.get(fd)?.file;
    for (const write of this.#unsynced) if (write.file === file) put(write.file, write.bytes, write.at);
    this.#unsynced = this.#unsynced.filter((write) => write.file !== file);
    commit(this.#kept, this.#changes.splice(0));
  }
}

function put(file: FileImage, bytes: Buffer, at: number): void {
  if (file.bytes.length < at + bytes.length) {
    file.bytes = Buffer.concat([file.bytes, Buffer.alloc(at + bytes.length - file.bytes.length)]);
  }
  bytes.copy(file.bytes, at);
}

function commit(names: Map<string, FileImage>, changes: readonly NameChange[]): void {
  for (const change of changes) {
    if (change.kind === 'create') names.set(change.name, change.file);
    else if (change.kind === 'unlink') names.delete(change.name);
    else {
      const file = names.get(change.from);
      if (change.kind === 'rename') names.delete(change.from);
      if (file !== undefined) names.set(change.to, file);
    }
  }
}
