/**
 * The remote configuration on disk. `state.json` is the only commit point: an overlay counts only when it names it, and an
 * overlay's file never changes. Each step is on stable storage before the next begins, and nothing is trusted, or cleaned
 * up by, before it is synced again at a start: what a kill left in the page cache a power cut would take back.
 */
import { reasonOf, systemCodeOf } from '../fault.ts';
import type { Log } from '../ports.ts';
import type { ConfigDisk } from './disk.ts';
import { decodeDocument, encodeDocument, type Overlay, parseOverlay, parseState, sha256 } from './documents.ts';
import { isTable, type Table } from './merge-patch.ts';
import { type ConfigState, NO_REMOTE, type Revision } from './trial.ts';

const STATE = 'state.json';
/** One older copy, for a card that rots. */
const STATE_OLD = 'state.json.old';
/** What ran last and was no trial. */
const LAST = 'last.json';
const FRESH = '.new';
const OVERLAY = /^ov-\d+-/;

export class RemoteStore {
  readonly #disk: ConfigDisk;
  readonly #log: Log;
  /** The bytes of `state.json`. */
  #bytes: Buffer | undefined;
  /** What was put in its place last. Others than those: that they are on stable storage could not be said. */
  #placed: Buffer | undefined;
  /** `state.json` is not as it was written. */
  damaged = false;
  /** Nor is its older copy. */
  lost = false;

  constructor(disk: ConfigDisk, log: Log) {
    this.#disk = disk;
    this.#log = log;
  }

  /** Never rejects over a damaged file, nor over a disk that fails: who does not start can not be mended from afar. */
  async open(): Promise<ConfigState> {
    this.damaged = false;
    for (const name of [STATE, STATE_OLD]) {
      const bytes = await this.#settled(name);
      const state = bytes === undefined ? undefined : parseState(decodeDocument(bytes));
      if (state !== undefined) {
        this.#bytes = bytes;
        this.#placed = undefined;
        this.lost = false;
        if (name === STATE_OLD) this.#log.error('remote configuration: an older copy of its state counts', { name });
        return state;
      }
      if (bytes !== undefined) {
        this.damaged = true;
        this.#log.error('remote configuration: its state is damaged', { name });
        if (bytes.length > 0) await this.#attempt(`${name}.bad`, () => this.#disk.write(`${name}.bad`, bytes));
      }
    }
    this.lost = this.damaged;
    return NO_REMOTE;
  }

  /**
   * Of `state.json`: `foreign`, somebody else has written it since we did; `wrong`, it is what `keep` has rejected, or has
   * become damaged since it was read.
   */
  async look(): Promise<'ours' | 'foreign' | 'wrong'> {
    const bytes = await this.#disk.read(STATE);
    if (bytes === undefined || this.#bytes?.equals(bytes) === true) return 'ours';
    if (this.#placed?.equals(bytes) === true) return 'wrong';
    const isDamaged = parseState(decodeDocument(bytes)) === undefined;
    // What was never read whole is known no better.
    return isDamaged && this.#bytes !== undefined && !this.damaged ? 'wrong' : 'foreign';
  }

  /** Resolves when the state is on stable storage. */
  async keep(state: ConfigState): Promise<void> {
    const disk = this.#disk;
    const bytes = encodeDocument(state);
    if (this.#bytes !== undefined) {
      await disk.write(STATE_OLD, this.#bytes);
      await disk.sync(STATE_OLD);
    }
    await this.#place(STATE, bytes);
    this.#placed = bytes;
    await disk.syncNames();
    this.#bytes = bytes;
    this.damaged = false;
    this.lost = false;
  }

  /** Resolves when the overlay is on stable storage. */
  async putOverlay(revision: number, id: string, overlay: Overlay): Promise<Revision> {
    const bytes = encodeDocument(overlay);
    const file = `ov-${revision}-${id}.json`;
    await this.#disk.write(file, bytes);
    await this.#disk.sync(file);
    await this.#disk.syncNames();
    return { revision, file, sha: sha256(bytes) };
  }

  /** `{}` where there is none; undefined when it can not be read as it was written. */
  async overlay({ file, sha }: Revision): Promise<Overlay | undefined> {
    if (file === null) return { patch: {}, was: {} };
    const bytes = await this.#attempt(file, () => this.#disk.read(file));
    if (bytes === undefined || sha256(bytes) !== sha) return undefined;
    return parseOverlay(decodeDocument(bytes));
  }

  async keepLast(value: Table): Promise<void> {
    const bytes = encodeDocument(value);
    if ((await this.#disk.read(LAST))?.equals(bytes) === true) return;
    await this.#place(LAST, bytes);
    await this.#disk.syncNames();
  }

  async last(): Promise<Table | undefined> {
    const bytes = await this.#settled(LAST);
    const value = bytes === undefined ? undefined : decodeDocument(bytes);
    return isTable(value) ? value : undefined;
  }

  /** Overlays that the state on disk does not name go. */
  async clean({ good, previous, trial }: ConfigState): Promise<void> {
    const named = [good.file, previous?.file, trial?.file];
    for (const name of await this.#disk.list()) {
      if (OVERLAY.test(name) && !named.includes(name)) await this.#disk.remove(name);
    }
  }

  /** Empty: it is there, and the disk does not give it. */
  async #settled(name: string): Promise<Buffer | undefined> {
    const found = await this.#attempt(name, async () => ({ bytes: await this.#disk.read(name) }));
    if (found === undefined) return Buffer.alloc(0);
    if (found.bytes === undefined) return undefined;
    await this.#attempt(name, async () => {
      await this.#disk.sync(name);
      await this.#disk.syncNames();
    });
    return found.bytes;
  }

  /** Undefined where the disk fails, which is told. */
  async #attempt<Result>(name: string, run: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await run();
    } catch (error) {
      if (systemCodeOf(error) === undefined) throw error;
      this.#log.error('remote configuration: the disk fails', { name, reason: reasonOf(error) });
      return undefined;
    }
  }

  /** In its place, which may not be on stable storage yet. */
  async #place(name: string, bytes: Buffer): Promise<void> {
    const fresh = `${name}${FRESH}`;
    await this.#disk.write(fresh, bytes);
    await this.#disk.sync(fresh);
    await this.#disk.rename(fresh, name);
  }
}
