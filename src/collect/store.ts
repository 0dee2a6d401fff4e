/**
 * The output of `fieldpost collect`: the events' literal bytes, one a line, one file a day (UTC); beside them what is kept
 * apart. A line counts once it is synced. `writing.json` names the file that is being written, and from where on the index
 * may be behind it: after a crash that is read again, so that a line that was synced, and perhaps acknowledged, is known.
 * The name of a file says nothing of it: a clock that was ahead once leaves a newer one behind.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { deviceOf, readEvent, type ReceivedEvent } from './event-text.ts';
import { ForkFile } from './fork-file.ts';
import { HashIndex } from './hash-index.ts';
import { appendLines, mendLines } from './line-file.ts';
import { makeDirectory } from '../platform/directories.ts';
import { syncFile, writeDurably } from '../platform/durable-file.ts';

/** What is kept apart is for people: beyond this it is only counted. */
const APART_BYTES_MAX = 16 * 1024 * 1024;
/** After so much of a day's file the indexes are synced: what a start has to read again is bounded. */
const MARK_BYTES = 64 * 1024 * 1024;

const DAY_FILE = /^\d{4}-\d\d-\d\d\.ndjson$/;
const INDEX_FILE = /^(?<device>.{1,64})@(?<epoch>[A-Za-z0-9]{1,32})(?:\.(?<copy>[2-9]))?\.sha256$/;

export type Apart = 'unreadable' | 'problems';

export class Store {
  readonly #directory: string;
  readonly #indexes = new Map<string, HashIndex>();
  readonly forks: ForkFile;
  #day = '';
  #file: number | undefined;
  #size = 0;
  #marked = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.forks = new ForkFile(this.#path('forks.ndjson'), (device, epoch, copy, make) => {
      const key = `${device}@${epoch}.${copy}`;
      return make ? this.#index(key) : this.#indexes.get(key);
    });
  }

  /** Makes what is there whole again. Throws the system's error when the directory can not be used. */
  open(): void {
    makeDirectory(this.#directory);
    const names = readdirSync(this.#directory);
    for (const name of names) if (INDEX_FILE.test(name)) this.#index(name.slice(0, -'.sha256'.length));
    const writing = this.#writing();
    // An output of before there was such a mark: any file may be torn.
    const torn = writing === undefined ? names.filter((name) => DAY_FILE.test(name)) : [writing.file];
    for (const name of torn) if (existsSync(this.#path(name))) this.#mend(this.#path(name), writing?.from ?? 0);
    this.forks.open();
  }

  /** Devices and epochs that something is kept of. */
  get known(): readonly { readonly device: string; readonly epoch: string }[] {
    return [...this.#indexes.keys()].flatMap((key) => {
      const { device = '', epoch = '', copy } = INDEX_FILE.exec(`${key}.sha256`)?.groups ?? {};
      return copy === undefined ? [{ device, epoch }] : [];
    });
  }

  index(device: string, epoch: string): HashIndex {
    return this.#index(`${device}@${epoch}`);
  }

  /** On stable storage, and in the index, when it resolves. `day`: as in 2026-11-24. */
  async append(events: readonly ReceivedEvent[], day: string): Promise<void> {
    if (day !== this.#day) this.#turnTo(day);
    this.#size += await appendLines(
      this.#file as number,
      events.map(({ bytes }) => bytes),
    );
    for (const { device, epoch, seq, hash } of events) this.index(device, epoch).add(seq, hash);
    if (this.#size - this.#marked >= MARK_BYTES) this.#mark();
  }

  /** False: too much is kept apart already; a person may move the file away. */
  keepApart(what: Apart, line: string): boolean {
    const path = this.#path(`${what}.ndjson`);
    const size = existsSync(path) ? statSync(path).size : 0;
    if (size + line.length > APART_BYTES_MAX) return false;
    appendFileSync(path, `${line}\n`);
    return true;
  }

  close(): void {
    if (this.#file !== undefined) {
      this.#mark();
      closeSync(this.#file);
    }
    for (const index of this.#indexes.values()) {
      index.sync();
      index.close();
    }
  }

  #index(key: string): HashIndex {
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = new HashIndex(this.#path(`${key}.sha256`));
      this.#indexes.set(key, index);
    }
    return index;
  }

  #turnTo(day: string): void {
    if (this.#file !== undefined) closeSync(this.#file);
    const path = this.#path(`${day}.ndjson`);
    this.#file = openSync(path, 'a', 0o640);
    this.#size = fstatSync(this.#file).size;
    this.#day = day;
    syncFile(path);
    this.#mark();
  }

  /** The indexes have all that is written up to here. */
  #mark(): void {
    for (const index of this.#indexes.values()) index.sync();
    this.#marked = this.#size;
    const mark = { file: `${this.#day}.ndjson`, from: this.#size };
    writeDurably(this.#path('writing.json'), `${JSON.stringify(mark)}\n`, 0o640);
  }

  #writing(): { readonly file: string; readonly from: number } | undefined {
    try {
      const read = JSON.parse(readFileSync(this.#path('writing.json'), 'utf8')) as Partial<Record<string, unknown>>;
      const { file, from } = read;
      const sound = typeof file === 'string' && DAY_FILE.test(file) && Number.isSafeInteger(from) && Number(from) >= 0;
      return sound ? { file, from: Number(from) } : undefined;
    } catch {
      return undefined;
    }
  }

  #mend(path: string, from: number): void {
    mendLines(path, from, (line) => {
      const read = readEvent(deviceOf(line), line);
      if (read.kind !== 'event') return;
      const { device, epoch, seq, hash } = read.event;
      const index = this.index(device, epoch);
      if (!index.had.has(seq)) index.add(seq, hash);
    });
    syncFile(path);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
