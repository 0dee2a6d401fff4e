/**
 * One life of an agent's process in the delivery tests: a real ledger on a real disk, the sender and the receipts, without
 * sockets; it can be ended as kill -9 would.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Disowned, markAfterConnack, planSession } from '../../src/broker/session-plan.ts';
import { topicsOf } from '../../src/broker/topics.ts';
import { Receipts } from '../../src/delivery/receipts.ts';
import { Sender } from '../../src/delivery/sender.ts';
import type { DurableFile, LedgerFiles } from '../../src/ledger/files.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { systemChance } from '../../src/platform/chance.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ledgerFiles } from '../../src/platform/ledger-files.ts';
import type { Clock, StateStore, Timer } from '../../src/ports.ts';
import type { LinkTerms } from '../../src/ports-broker.ts';
import { openLedger, quietLog } from '../ledger/rig.ts';
import { type ModelBroker, type ModelLink, modelLink } from './model-broker.ts';

/** mulberry32: small, seeded, good enough to choose faults with. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface CrashableFiles {
  readonly files: LedgerFiles;
  /** From now on nothing of this process reaches the disk, and nothing it waits for comes. */
  readonly crash: () => Promise<void>;
}

export function crashableFiles(directory: string): CrashableFiles {
  const real = ledgerFiles(directory);
  let dead = false;
  const underway = new Set<Promise<unknown>>();
  const opened: DurableFile[] = [];
  const never = new Promise<never>(() => undefined);
  const guard = <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) return never;
    const result = work();
    underway.add(result);
    void result.catch(() => undefined).finally(() => underway.delete(result));
    return result.then((value) => (dead ? never : value));
  };
  const files: LedgerFiles = {
    ...real,
    sync: (name) => guard(() => real.sync(name)),
    syncDirectory: () => guard(() => real.syncDirectory()),
    makeZeroed: (name, bytes) => guard(() => real.makeZeroed(name, bytes)),
    rename: (from, to) => guard(() => real.rename(from, to)),
    remove: (names) => guard(() => real.remove(names)),
    read: (name, from, length) => guard(() => real.read(name, from, length)),
    openDurable: async (name) => {
      const file = await guard(() => real.openDurable(name));
      opened.push(file);
      return { write: (bytes, at) => guard(() => file.write(bytes, at)), close: () => guard(() => file.close()) };
    },
    openNote: async (name) => {
      const note = await real.openNote(name);
      return { write: (bytes, at) => (dead ? undefined : note.write(bytes, at)), close: () => note.close() };
    },
  };
  const crash = async (): Promise<void> => {
    dead = true;
    await Promise.allSettled(underway);
    await Promise.allSettled(opened.map((file) => file.close()));
    await real.unlock();
  };
  return { files, crash };
}

/** Timers that end with their process. */
export function crashableClock(base: Clock): { readonly clock: Clock; readonly crash: () => void } {
  const timers = new Set<Timer>();
  let dead = false;
  const after: Clock['after'] = (ms, run) => {
    if (dead) return { cancel: () => undefined };
    const timer = base.after(ms, () => {
      timers.delete(timer);
      run();
    });
    timers.add(timer);
    return timer;
  };
  const crash = (): void => {
    dead = true;
    for (const timer of timers) timer.cancel();
  };
  return { clock: { ...base, after }, crash };
}

/** Small documents that outlive the lives that share it. */
export function memoryState(): StateStore {
  const kept = new Map<string, unknown>();
  return {
    open: (name, parse, initial) => {
      let value = parse(kept.get(name)) ?? initial;
      return Promise.resolve({
        get value() {
          return value;
        },
        write: (next: typeof initial) => {
          value = next;
          kept.set(name, next);
          return Promise.resolve();
        },
      });
    },
  };
}

export interface LifeOptions {
  /** Ended with this test, also when it fails. */
  readonly t?: TestContext;
  readonly receipts?: boolean;
  readonly state?: StateStore;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** See `LedgerOptions`. */
  readonly piecesMax?: number;
}

/** One life of an agent's process: ledger, sender and receipts, without sockets. */
export class Life {
  readonly ledger: Ledger;
  readonly sender: Sender;
  readonly receipts: Receipts;
  readonly #crashFiles: () => Promise<void>;
  readonly #crashTimers: () => void;
  up: ModelLink | undefined;
  sessionOver = false;
  #disowned: Disowned | undefined;

  private constructor(
    ledger: Ledger,
    clock: Clock,
    crashTimers: () => void,
    crashFiles: () => Promise<void>,
    options: LifeOptions,
  ) {
    this.ledger = ledger;
    this.#crashFiles = crashFiles;
    this.#crashTimers = crashTimers;
    this.sender = new Sender({
      ledger,
      clock,
      chance: { unit: () => 0, bytes: (count) => systemChance.bytes(count) },
      log: quietLog(),
      topics: topicsOf('fp/v1', 'pump-42'),
      protocol: 5,
      windowMax: 32,
      onSessionOver: () => {
        this.sessionOver = true;
      },
      onSessionLost: (why) => {
        this.#disowned = { broker: 'model', why, forgotten: false };
        this.cut();
      },
    });
    this.receipts = new Receipts({
      ledger,
      settles: options.receipts ?? false,
      clock,
      log: quietLog(),
      state: options.state ?? memoryState(),
      onTaken: (ordinal, through) => this.sender.receiptTaken(ordinal, through),
      onChange: () => undefined,
    });
  }

  static async start(directory: string, options: LifeOptions = {}): Promise<Life> {
    const { files, crash } = crashableFiles(directory);
    const { receipts = false, clock = systemClock, piecesMax } = options;
    const time = crashableClock(clock);
    const bound = piecesMax === undefined ? {} : { piecesMax };
    const ledger = await openLedger(directory, { files, clock: time.clock, receipts, ...bound });
    const life = new Life(ledger, time.clock, time.crash, crash, options);
    options.t?.after(() => life.crash());
    await life.receipts.start();
    return life;
  }

  async connect(broker: ModelBroker, terms: Partial<LinkTerms> = {}): Promise<void> {
    const key = {
      broker: 'model',
      client: 'pump-42',
      root: 'fp/v1/pump-42',
      life: this.ledger.drainingLife?.ordinal ?? 0,
    };
    const plan = planSession(this.ledger.session, key, this.#disowned);
    if (plan.kind === 'clean' && !plan.written) await this.ledger.markSession(plan.mark);
    const present = broker.connect(plan.kind === 'clean');
    const mark = markAfterConnack(plan, key, present);
    const forgotten = plan.kind === 'resume' || plan.forgotten;
    if (mark !== undefined) await this.ledger.markSession(mark, forgotten);
    this.#disowned = undefined;
    this.sender.reset();
    this.up = modelLink(
      broker,
      present,
      (chunk) => this.sender.inbound(chunk),
      () => this.cut(),
      terms,
    );
    this.sender.attach(this.up.link, this.ledger.session?.generation ?? 0, key.life);
  }

  cut(): void {
    this.sender.detach();
    this.up = undefined;
  }

  /** An orderly end. */
  async close(): Promise<void> {
    this.cut();
    await this.ledger.close();
    this.#crashTimers();
  }

  /** As after kill -9: nothing is finished; only what the kernel has survives. */
  async crash(): Promise<void> {
    this.cut();
    this.#crashTimers();
    await this.#crashFiles();
  }
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function drain(life: Life, broker: ModelBroker): Promise<void> {
  const until = performance.now() + 20_000;
  while (life.ledger.figures.unsent > 0) {
    assert.ok(performance.now() < until, `still ${life.ledger.figures.unsent} unsent`);
    if (life.up === undefined) await life.connect(broker);
    life.up?.answer(100);
    await turn();
  }
}
