/**
 * The reference consumer: a persistent session, every event written down and synced before it is acknowledged, repeats
 * removed by identity and hash, gaps found and asked for, chain and signatures checked, receipts sent only for what is on
 * stable storage. Safe to kill at any moment. It may serve many devices; each has its own book and receipt.
 */
import type { Topics } from '../broker/topics.ts';
import { Fault, reasonOf, systemCodeOf } from '../fault.ts';
import { KeyRing } from '../ledger/key-ring.ts';
import type { VerifyingKey } from '../ledger/signature.ts';
import type { StateDocument, StateStore } from '../ports.ts';
import { DeviceBook, type EpochFacts } from './book.ts';
import { isDeviceName, isEpochName, readEvent, type ReceivedEvent } from './event-text.ts';
import type { Apart, Store } from './store.ts';

/** A missing event may only be on its way: it is asked for when it has been missing for this long, milliseconds. */
const ASK_AFTER_MS = 3000;
/** And again when nothing came. */
const ASK_AGAIN_MS = 30_000;
/** Between two receipts of one device. */
const RECEIPT_MS = 500;
/** Lives of one device's ledger, each with a file of hashes: more is no device that sells, and opens files without end. */
const EPOCHS_MAX = 256;
/** Keys that one device named, the newest ones; SubjectPublicKeyInfo in base64 has 60 or 124 letters. */
const KEYS_MAX = 64;
const KEY_LETTERS_MAX = 1024;
/** Hashes that later events claim of ones that are not here yet. */
const CLAIMS_MAX = 10_000;

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
  readonly receipts: number;
}

interface Device {
  readonly name: string;
  readonly topics: Topics;
  readonly book: DeviceBook;
  readonly ring: KeyRing;
  readonly kept: StateDocument<KeptDevice>;
  /** What is to be in `kept`, with what waits to be written. */
  keeps: KeptDevice;
  /** By epoch and sequence: the hash that the event behind it names. */
  readonly claims: Map<string, string>;
  /** Since when something is missing; undefined: nothing is. */
  missingMs: number | undefined;
  askedMs: number;
  asked: number;
  saidMs: number;
  said: string;
}

/** What must outlive a restart and is in no event file that is read again. */
interface KeptDevice {
  readonly epochs: readonly EpochFacts[];
  readonly keys: readonly string[];
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #devices = new Map<string, Device>();
  readonly #figures = { stored: 0, repeats: 0, forks: 0, unreadable: 0, problems: 0, receipts: 0 };
  /** What waits to be written, and what of it has its place already, by identity. */
  #batch: ReceivedEvent[] = [];
  #inBatch = new Map<string, string>();
  readonly #unkept = new Set<Device>();
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
    return { ...this.#figures };
  }

  get devices(): readonly { readonly device: string; readonly book: DeviceBook }[] {
    return [...this.#devices.values()].map(({ name, book }) => ({ device: name, book }));
  }

  /** Opens the books of what is kept already. */
  async start(): Promise<void> {
    for (const { device } of this.#options.store.known) await this.#device(device);
  }

  /** A message came in; it must not be acknowledged before `release` is called. In the order of their coming. */
  take(device: string, meaning: string, payload: Buffer): void {
    this.#options.hold();
    this.#unread += 1;
    this.#opening = this.#opening
      .then(() => this.#read(device, meaning, payload))
      .catch((error: unknown) => this.#fail(error));
  }

  /** Writes what waits; resolves when it is on stable storage. */
  async flush(): Promise<void> {
    await this.#opening;
    await this.#write();
  }

  /** Says what is due: called now and then. */
  async say(): Promise<void> {
    for (const device of this.#devices.values()) await this.#sayReceipt(device);
  }

  /** Only what the disk does may end the program: a message that did would come again at each start, for all devices. */
  async #read(name: string, meaning: string, payload: Buffer): Promise<void> {
    try {
      // The name becomes one of files.
      if (isDeviceName(name)) this.#take(await this.#device(name), meaning, payload);
      else this.#unreadable(name, 'the topic names no device', payload);
    } catch (error) {
      if (systemCodeOf(error) !== undefined || (error instanceof Fault && error.code === 'state.disk')) throw error;
      this.#unreadable(name, `can not be judged: ${reasonOf(error)}`, payload);
    } finally {
      this.#unread -= 1;
    }
    this.#write().catch((error: unknown) => this.#fail(error));
  }

  #take(device: Device, meaning: string, payload: Buffer): void {
    if (meaning.startsWith('up/event/')) this.#takeEvent(device, payload);
    else if (meaning === 'up/status') this.#takeStatus(device, payload);
  }

  #unreadable(device: string, reason: string, payload: Buffer): void {
    this.#figures.unreadable += 1;
    this.#apart('unreadable', JSON.stringify({ device, reason, bytes: payload.toString('base64') }));
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
    if (known === hash) {
      this.#figures.repeats += 1;
      return;
    }
    if (known !== undefined) {
      this.#figures.forks += 1;
      this.#apart('forks', payload);
      this.#options.tell(`fork: ${device.name} ${epoch} ${seq} came again with other bytes: kept apart`);
      return;
    }
    this.#inBatch.set(place, hash);
    this.#batch.push(event);
    device.book.sawLast(epoch, seq);
    this.#learn(device, event);
    if (this.#options.verify) this.#check(device, event);
  }

  /** What the agent's own events say of the ledger. */
  #learn(device: Device, { epoch, text }: ReceivedEvent): void {
    const { book, keeps } = device;
    if (text.stream !== 'agent') return;
    const value = (name: string): string => {
      const found = text.data?.[name]?.value;
      return typeof found === 'string' ? found : '';
    };
    if (text.type === 'ledger.gap') book.neverComes(value('epoch'), Number(value('from')), Number(value('through')));
    else if (text.type === 'ledger.key') this.#keep(device, { keys: withKey(keeps.keys, value('public')) });
    else if (text.type === 'ledger.epoch' && isEpochName(value('old_epoch'))) {
      const facts = { epoch, oldEpoch: value('old_epoch'), oldLast: Number(value('old_last')) };
      book.follows(facts);
      this.#keep(device, { epochs: [...keeps.epochs.filter((one) => one.epoch !== epoch), facts] });
    }
  }

  #keep(device: Device, change: Partial<KeptDevice>): void {
    for (const key of change.keys ?? []) device.ring.learn(key);
    device.keeps = { ...device.keeps, ...change };
    this.#unkept.add(device);
  }

  /** Before the events that say it: one that is kept is a repeat when it comes again, and nobody learns from it. */
  async #writeKept(): Promise<void> {
    const devices = [...this.#unkept];
    this.#unkept.clear();
    await Promise.all(devices.map((device) => device.kept.write(device.keeps)));
  }

  #check(device: Device, event: ReceivedEvent): void {
    const { epoch, seq, prev, hash, bytes, text } = event;
    const hashOf = (at: number): string | undefined =>
      this.#inBatch.get(`${device.name} ${epoch} ${at}`) ?? this.#options.store.index(device.name, epoch).hashAt(at);
    const before = seq > 1 ? hashOf(seq - 1) : undefined;
    const claimed = device.claims.get(`${epoch} ${seq}`);
    device.claims.delete(`${epoch} ${seq}`);
    if (before !== undefined && before !== prev) this.#problem(event, 'does not chain to the event before');
    if (seq === 1 && prev !== '') this.#problem(event, 'is the first and names an event before');
    if (claimed !== undefined && claimed !== hash) this.#problem(event, 'is not what the event behind it chains to');
    if (before === undefined && seq > 1 && device.claims.size < CLAIMS_MAX)
      device.claims.set(`${epoch} ${seq - 1}`, prev);
    const fault = device.ring.judge(bytes, text);
    if (fault !== undefined) this.#problem(event, fault);
  }

  #problem({ device, epoch, seq }: ReceivedEvent, what: string): void {
    this.#figures.problems += 1;
    this.#apart('problems', JSON.stringify({ device, epoch, seq, what }));
    this.#options.tell(`BAD: ${device} ${epoch} seq ${seq}: ${what}`);
  }

  #takeStatus(device: Device, payload: Buffer): void {
    const { epoch, first, last } = ledgerOf(payload);
    if (epoch === undefined) return;
    this.#open(device, epoch);
    for (const [from, through] of device.book.lostBefore(epoch, first)) {
      device.book.neverComes(epoch, from, through);
      this.#options.tell(`${device.name} ${epoch}: ${from} to ${through} are no longer on the device`);
    }
    device.book.sawLast(epoch, last);
  }

  /** Throws when the device names too many. */
  #open({ name, book }: Device, epoch: string): void {
    if (book.has(epoch)) return;
    if (book.epochs.length >= EPOCHS_MAX) throw new Error(`the device has ${EPOCHS_MAX} epochs already`);
    book.open({ epoch, oldEpoch: '', oldLast: 0 }, this.#options.store.index(name, epoch));
  }

  async #device(name: string): Promise<Device> {
    const known = this.#devices.get(name);
    if (known !== undefined) return known;
    const { store, state, topicsFor, pinned } = this.#options;
    const kept = await state.open(`device-${name}`, parseKept, { epochs: [], keys: [] });
    // Without it the receipts would be for another order of epochs, and it would be written over.
    const unread = await kept.readAgain?.();
    if (unread !== undefined) throw new Fault('state.disk', unread);
    const book = new DeviceBook();
    for (const { device, epoch } of store.known) {
      if (device !== name) continue;
      const facts = kept.value.epochs.find((one) => one.epoch === epoch);
      book.open(facts ?? { epoch, oldEpoch: '', oldLast: 0 }, store.index(device, epoch));
    }
    const ring = new KeyRing(pinned);
    for (const key of kept.value.keys) ring.learn(key);
    const made: Device = {
      name,
      topics: topicsFor(name),
      book,
      ring,
      kept,
      keeps: kept.value,
      claims: new Map(),
      missingMs: undefined,
      askedMs: Number.NEGATIVE_INFINITY,
      asked: 0,
      saidMs: Number.NEGATIVE_INFINITY,
      said: '',
    };
    this.#devices.set(name, made);
    return made;
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
      while (this.#batch.length > 0) {
        const batch = this.#batch;
        this.#batch = [];
        await this.#writeKept();
        await this.#options.store.append(batch, this.#options.day());
        this.#figures.stored += batch.length;
        for (const { device, epoch, seq } of batch) this.#inBatch.delete(`${device} ${epoch} ${seq}`);
      }
      // Only when all that came is written down: the gate can not tell whose acknowledgement it holds.
      if (this.#unread === 0 && !this.#failed) this.#options.release();
    } finally {
      // In the same turn as the last look: what comes now starts anew.
      this.#writing = undefined;
    }
  }

  async #sayReceipt(device: Device): Promise<void> {
    const { receipts, nowMs, publish } = this.#options;
    const now = nowMs();
    if (!receipts || now - device.saidMs < RECEIPT_MS) return;
    const missing = device.book.receipt(true)?.want.length ?? 0;
    device.missingMs = missing === 0 ? undefined : (device.missingMs ?? now);
    const asks = device.missingMs !== undefined && now - device.missingMs >= ASK_AFTER_MS;
    const due = device.book.receipt(asks && now - device.askedMs >= ASK_AGAIN_MS);
    if (due === undefined) return;
    const { want, ...said } = due;
    if (want.length === 0 && JSON.stringify(said) === device.said) return;
    device.saidMs = now;
    if (want.length > 0) {
      device.askedMs = now;
      device.asked += 1;
      this.#options.tell(`${device.name} ${due.epoch}: asks for ${want.length} ranges again`);
    }
    // `asked` makes a receipt that asks once more another one: a device honours each once.
    const document = want.length === 0 ? said : { ...said, want, asked: `${Date.now()}-${device.asked}` };
    try {
      await publish(device.topics.receipt, Buffer.from(JSON.stringify(document), 'utf8'));
      device.said = JSON.stringify(said);
      this.#figures.receipts += 1;
    } catch (error) {
      this.#options.tell(`receipt for ${device.name} not sent: ${String(error)}`);
    }
  }

  #apart(what: Apart, line: Buffer | string): void {
    this.#options.store.keepApart(what, line);
  }
}

/** The newest last. What is no key is none to keep: its event says it, and a document has a bound. */
function withKey(keys: readonly string[], key: string): readonly string[] {
  if (key === '' || key.length > KEY_LETTERS_MAX) return keys;
  return [...keys.filter((one) => one !== key), key].slice(-KEYS_MAX);
}

function ledgerOf(payload: Buffer): { epoch: string | undefined; first: number; last: number } {
  try {
    const { ledger } = JSON.parse(payload.toString('utf8')) as { readonly ledger?: Partial<Record<string, unknown>> };
    const { epoch, first, last } = ledger ?? {};
    const sound = typeof epoch === 'string' && /^[A-Za-z0-9]{1,32}$/.test(epoch) && isSeq(first) && isSeq(last);
    if (sound) return { epoch, first, last };
  } catch {
    // A status that nobody can read says nothing of the ledger.
  }
  return { epoch: undefined, first: 0, last: 0 };
}

function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseKept(found: unknown): KeptDevice | undefined {
  const { epochs, keys } = (found ?? {}) as Partial<KeptDevice>;
  return Array.isArray(epochs) && Array.isArray(keys) ? { epochs, keys } : undefined;
}
