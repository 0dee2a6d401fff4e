/**
 * The reference consumer: a persistent session, every event written down and synced before it is acknowledged, repeats
 * removed by identity and hash, gaps found and asked for, chain and signatures checked, receipts sent only for what is on
 * stable storage. Safe to kill at any moment. It may serve many devices; each has its own book and receipt.
 */
import type { Topics } from '../broker/topics.ts';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { agentWord } from '../ledger/agent-words.ts';
import type { SignatureFault } from '../ledger/key-ring.ts';
import type { VerifyingKey } from '../ledger/signature.ts';
import type { StateDocument, StateStore } from '../ports.ts';
import { DeviceBook, type Loss } from './book.ts';
import { type DeviceState, isRange, parseDeviceState, withKey } from './device-state.ts';
import { readWord } from './device-word.ts';
import { isDeviceName, isSequence, readEvent, type ReceivedEvent } from './event-text.ts';
import { DeviceProof, keyOfInfo } from './proof.ts';
import { ReceiptPublisher } from './receipt-publisher.ts';
import type { Apart, Store } from './store.ts';

/** Lives of one device's ledger, each with a file of hashes: more is no device that sells, and opens files without end. */
const EPOCHS_MAX = 256;
/** Of a message that nobody can read. */
const SHOWN_BYTES_MAX = 128 * 1024;
/** Devices of which nothing but `up/info` came. */
const INFOS_MAX = 10_000;

export interface CollectorOptions {
  readonly store: Store;
  readonly state: StateStore;
  readonly topicsFor: (device: string) => Topics;
  /** All signatures must be by one of these; none: by the keys that the devices name. */
  readonly pinned: readonly VerifyingKey[];
  readonly verify: boolean;
  readonly receipts: boolean;
  /** Nothing that comes in is acknowledged until `release`. */
  readonly hold: () => void;
  readonly release: () => void;
  readonly connected: () => boolean;
  readonly publish: (topic: string, payload: Buffer) => Promise<void>;
  /** Milliseconds that never jump; and the day, as in 2026-11-24. */
  readonly nowMs: () => number;
  readonly day: () => string;
  readonly tell: (sentence: string) => void;
  /** The output can not be written: nothing more is acknowledged, and the program had better end. */
  readonly fail: (error: unknown) => void;
}

export interface CollectFigures {
  readonly stored: number;
  readonly repeats: number;
  readonly forks: number;
  readonly unreadable: number;
  readonly problems: number;
  /** Kept nowhere, because what is kept apart has a bound. */
  readonly dropped: number;
  readonly receipts: number;
  /** Events of this run that no key signed, and those by a key that is not known. Counted with `verify` alone. */
  readonly unsigned: number;
  readonly unknown: number;
  /** Events that never came and are no longer on their device, those of earlier runs too. */
  readonly lost: number;
}

interface Device {
  readonly name: string;
  readonly book: DeviceBook;
  readonly proof: DeviceProof;
  readonly kept: StateDocument<DeviceState>;
  keys: readonly string[];
  readonly receipts: ReceiptPublisher;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #devices = new Map<string, Device>();
  readonly #figures = { stored: 0, repeats: 0, forks: 0, unreadable: 0, problems: 0, dropped: 0, receipts: 0 };
  /** What waits to be written, and what of it has its place already, by identity. */
  #batch: ReceivedEvent[] = [];
  #inBatch = new Map<string, string>();
  /** By device: the key that its `up/info` names, when nothing else came of it yet. */
  readonly #infos = new Map<string, string>();
  /** Devices of which something was learned that is not written down yet. */
  readonly #learned = new Set<Device>();
  /** Files that took no more, which is told once. */
  readonly #full = new Set<Apart>();
  #writing: Promise<void> | undefined;
  /** Something could not be written: nothing is acknowledged any more. */
  #failed = false;
  /** Messages that came and are not judged yet. */
  #unread = 0;
  #opening: Promise<unknown> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  get figures(): CollectFigures {
    const sum = (count: (device: Device) => number): number =>
      [...this.#devices.values()].reduce((total, device) => total + count(device), 0);
    return {
      ...this.#figures,
      unsigned: sum(({ proof }) => proof.counts.unsigned),
      unknown: sum(({ proof }) => proof.counts.unknown),
      lost: sum(({ book }) => book.lostEvents),
    };
  }

  get devices(): readonly { readonly device: string; readonly book: DeviceBook }[] {
    return [...this.#devices.values()].map(({ name, book }) => ({ device: name, book }));
  }

  /** Opens the books of what is kept already. */
  async start(): Promise<void> {
    for (const { device } of this.#options.store.known) await this.#device(device);
  }

  /**
   * A message came in; it must not be acknowledged before `release` is called. In the order of their coming. `old`: the
   * broker had kept it for whoever subscribes.
   */
  take(device: string, meaning: string, payload: Buffer, old = false): void {
    this.#options.hold();
    this.#unread += 1;
    this.#opening = this.#opening
      .then(() => this.#read(device, meaning, payload, old))
      .catch((error: unknown) => this.#fail(error));
  }

  /** Writes what waits; resolves when it is on stable storage. */
  async flush(): Promise<void> {
    await this.#opening;
    await this.#write();
  }

  /** The run ends. Of a device of which all came, nothing more will excuse a signature by a strange key. */
  finish(): void {
    for (const { name, book, proof } of this.#devices.values()) {
      const whole = book.records.every(({ epoch, gaps = [], lost = [] }) => {
        const first = this.#options.store.index(name, epoch).had.nextPresent(1) ?? 0;
        return [...gaps, ...lost].every(([from]) => from < first);
      });
      if (book.done) for (const fault of proof.finish(whole)) this.#problem(name, fault);
    }
  }

  /** Says what is due: called now and then. */
  async say(): Promise<void> {
    await Promise.all([...this.#devices.values()].map(({ receipts }) => receipts.say()));
  }

  /** Says all that is still to be said. It may take as long as the connection is away. */
  async sayLast(): Promise<void> {
    await Promise.all([...this.#devices.values()].map(({ receipts }) => receipts.sayLast()));
  }

  /** Only what the disk does may end the program: a message that did would come again at each start, for all devices. */
  async #read(name: string, meaning: string, payload: Buffer, old: boolean): Promise<void> {
    try {
      // The name becomes one of files.
      if (meaning === 'up/info') this.#takeInfo(name, payload);
      else if (isDeviceName(name)) this.#take(await this.#device(name), meaning, payload, old);
      else this.#unreadable(name, 'the topic names no device', payload);
    } catch (error) {
      if (systemCodeOf(error) !== undefined || (error instanceof Fault && error.code === 'state.disk')) throw error;
      this.#unreadable(name, `can not be judged: ${reasonOf(error)}`, payload);
    } finally {
      this.#unread -= 1;
    }
    this.#write().catch((error: unknown) => this.#fail(error));
  }

  #take(device: Device, meaning: string, payload: Buffer, old: boolean): void {
    if (meaning.startsWith('up/event/')) this.#takeEvent(device, payload);
    else if (meaning === 'up/status') this.#takeStatus(device, payload, old);
  }

  #unreadable(device: string, reason: string, payload: Buffer): void {
    this.#figures.unreadable += 1;
    const bytes = payload.subarray(0, SHOWN_BYTES_MAX).toString('base64');
    this.#apart('unreadable', JSON.stringify({ device, reason, bytes }));
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#options.fail(error);
  }

  #takeEvent(device: Device, payload: Buffer): void {
    const read = readEvent(device.name, payload);
    if (read.kind === 'unreadable') return this.#unreadable(device.name, read.reason, payload);
    const { event } = read;
    const { epoch, seq, hash } = event;
    this.#open(device, epoch);
    const index = this.#options.store.index(device.name, epoch);
    const place = `${device.name} ${epoch} ${seq}`;
    const known = this.#inBatch.get(place) ?? index.hashAt(seq);
    if (known === hash) return this.#takeRepeat(device, event);
    if (known !== undefined) return this.#takeFork(event);
    this.#inBatch.set(place, hash);
    this.#batch.push(event);
    device.book.came(epoch, seq);
    const sound = !this.#options.verify || this.#check(device, event);
    this.#learn(device, event, sound);
  }

  /** Other bytes than those that are kept: a restored copy of a ledger sells on. */
  #takeFork(event: ReceivedEvent): void {
    const { device, epoch, seq, bytes } = event;
    const verdict = this.#options.store.forks.take(event);
    if (verdict === 'too many') return this.#unreadable(device, `is one content too many of ${epoch} ${seq}`, bytes);
    this.#figures[verdict === 'fork' ? 'forks' : 'repeats'] += 1;
    if (verdict === 'fork')
      this.#options.tell(`fork: ${device} ${epoch} ${seq} came again with other bytes: kept apart`);
  }

  /** It may be sent again on request, to be learned from by who could not judge it, or has forgotten. */
  #takeRepeat(device: Device, event: ReceivedEvent): void {
    this.#figures.repeats += 1;
    const { text } = event;
    if (text.stream !== 'agent' || (text.type !== 'ledger.gap' && text.type !== 'ledger.epoch')) return;
    this.#learn(device, event, !this.#options.verify || device.proof.trusts(event));
  }

  /** What the agent's own events say of the ledger. One that is not sound makes nothing count as had. */
  #learn(device: Device, { epoch, text }: ReceivedEvent, sound: boolean): void {
    const { book, proof } = device;
    const word = agentWord(text);
    let news = false;
    if (word?.kind === 'key' && sound) {
      const keys = withKey(device.keys, word.publicKey);
      news = keys.at(-1) !== device.keys.at(-1);
      device.keys = keys;
    } else if (word?.kind === 'gap' && sound) {
      if (!isRange([word.from, word.through])) return;
      this.#open(device, word.epoch);
      news = book.neverComes(word.epoch, word.from, word.through);
      proof.neverComes(word.epoch, [[word.from, word.through]]);
    } else if (word?.kind === 'epoch' && sound) {
      if (word.old === '' || !isSequence(word.oldLast)) return;
      this.#open(device, word.old);
      news = book.follows(epoch, word.old, word.oldLast);
    }
    if (news) this.#learned.add(device);
  }

  /** Tells what is wrong with it, and with those before that waited for it; whether it is sound. */
  #check(device: Device, event: ReceivedEvent): boolean {
    const { name, proof } = device;
    const { epoch } = event;
    const { faults, sound, news } = proof.check(
      event,
      (seq) => this.#inBatch.get(`${name} ${epoch} ${seq}`) ?? this.#options.store.index(name, epoch).hashAt(seq),
    );
    for (const fault of faults) this.#problem(name, fault);
    const change = sound ? proof.changeAt(event) : undefined;
    if (change !== undefined) this.#options.tell(`${name} ${change}`);
    if (news) this.#learned.add(device);
    return sound;
  }

  #problem(device: string, { epoch, seq, what }: SignatureFault): void {
    this.#figures.problems += 1;
    this.#apart('problems', JSON.stringify({ device, epoch, seq, what }));
    this.#options.tell(`BAD: ${device} ${epoch} seq ${seq}: ${what}`);
  }

  /** The key that signs now: the event that named it may be no longer on the device. */
  #takeInfo(name: string, payload: Buffer): void {
    const key = keyOfInfo(payload);
    if (key === undefined || !this.#options.verify) return;
    const device = this.#devices.get(name);
    if (device !== undefined) this.#learnKey(device, key);
    else if (this.#infos.size < INFOS_MAX) this.#infos.set(name, key);
  }

  #learnKey(device: Device, key: string): void {
    for (const fault of device.proof.learn(key)) this.#problem(device.name, fault);
    if (key === '' || device.keys.includes(key)) return;
    device.keys = withKey(device.keys, key);
    this.#learned.add(device);
  }

  #takeStatus(device: Device, payload: Buffer, old: boolean): void {
    const word = readWord(payload);
    if (word === undefined) return;
    for (const { epoch } of word.keeps) this.#open(device, epoch);
    const { lost, changed } = device.book.hear(word, !old);
    if (changed) this.#learned.add(device);
    for (const { epoch, ranges } of lost) device.proof.neverComes(epoch, ranges);
    for (const one of lost) this.#options.tell(`LOST: ${device.name} ${one.epoch}: ${rangesText(one)}`);
  }

  /** Throws when the device names too many. */
  #open(device: Device, epoch: string): void {
    const { name, book } = device;
    if (book.has(epoch)) return;
    if (book.epochs.length >= EPOCHS_MAX) throw new Error(`the device has ${EPOCHS_MAX} epochs already`);
    book.open({ epoch, oldEpoch: '', oldLast: 0 }, this.#options.store.index(name, epoch));
    this.#learned.add(device);
  }

  async #device(name: string): Promise<Device> {
    const known = this.#devices.get(name);
    if (known !== undefined) return known;
    const { store, state, pinned } = this.#options;
    const kept = await state.open(`device-${name}`, parseDeviceState, { epochs: [], keys: [] });
    // Without it the receipts would be for another order of epochs, and it would be written over.
    const unread = await kept.readAgain?.();
    if (unread !== undefined) throw new Fault('state.disk', unread);
    const book = new DeviceBook();
    for (const record of kept.value.epochs) book.open(record, store.index(name, record.epoch));
    for (const { device, epoch } of store.known) {
      if (device === name) book.open({ epoch, oldEpoch: '', oldLast: 0 }, store.index(device, epoch));
    }
    const { keys } = kept.value;
    const proof = new DeviceProof(pinned, keys, kept.value.proof);
    for (const { epoch, oldEpoch, oldLast, gaps = [], lost = [] } of book.records) {
      proof.opens(epoch, store.index(name, epoch).had.intervals(), oldEpoch, oldLast);
      proof.neverComes(epoch, [...gaps, ...lost]);
    }
    const receipts = new ReceiptPublisher({
      ...this.#options,
      device: name,
      topic: this.#options.topicsFor(name).receipt,
      book,
      onSent: () => {
        this.#figures.receipts += 1;
      },
      onAsked: () => {
        this.#learned.add(made);
        this.#write().catch((error: unknown) => this.#fail(error));
      },
    });
    const made: Device = { name, book, proof, kept, keys, receipts };
    this.#devices.set(name, made);
    const info = this.#infos.get(name);
    if (info !== undefined) this.#learnKey(made, info);
    this.#infos.delete(name);
    return made;
  }

  #keep({ kept, book, keys, proof }: Device): Promise<void> {
    const checked = this.#options.verify ? proof.kept : kept.value.proof;
    return kept.write({ epochs: book.records, keys, ...(checked === undefined ? {} : { proof: checked }) });
  }

  /** One write at a time takes all that has come meanwhile. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeBatches();
    return this.#writing;
  }

  async #writeBatches(): Promise<void> {
    // A turn late: what this chunk still brings rides in the same sync.
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      while (!this.#failed && (this.#batch.length > 0 || this.#learned.size > 0 || this.#options.store.forks.waits))
        await this.#writeBatch();
      // Only when all that came is written down: the gate can not tell whose acknowledgement it holds.
      if (this.#unread === 0 && !this.#failed) this.#options.release();
    } catch (error) {
      this.#failed = true;
      throw error;
    } finally {
      // In the same turn as the last look: what comes now starts anew.
      this.#writing = undefined;
    }
  }

  async #writeBatch(): Promise<void> {
    const { store, day } = this.#options;
    const batch = this.#batch;
    this.#batch = [];
    const learned = [...this.#learned];
    this.#learned.clear();
    // Before the events that say it: one that is kept is a repeat when it comes again.
    await Promise.all(learned.map((device) => this.#keep(device)));
    if (batch.length > 0) await store.append(batch, day());
    this.#figures.stored += batch.length;
    for (const { device, epoch, seq } of batch) this.#inBatch.delete(`${device} ${epoch} ${seq}`);
    await store.forks.write();
  }

  #apart(what: Apart, line: string): void {
    if (this.#options.store.keepApart(what, line)) return;
    this.#figures.dropped += 1;
    if (this.#full.has(what)) return;
    this.#full.add(what);
    this.#options.tell(`${what}.ndjson is full: what comes now is counted and not kept; move the file away`);
  }
}

/** So many are told by their numbers. */
const RANGES_TOLD = 8;

function rangesText({ ranges }: Loss): string {
  const told = ranges.slice(0, RANGES_TOLD).map(([from, through]) => `${from} to ${through}`);
  const more = ranges.length > RANGES_TOLD ? `, and ${ranges.length - RANGES_TOLD} ranges more,` : '';
  return `${told.join(', ')}${more} never came and are no longer on the device`;
}
