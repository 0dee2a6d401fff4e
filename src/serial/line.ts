/**
 * One line of the agent: opens it, cuts its bytes into frames, and opens it again when it is lost. The owner of the line
 * machine. Each opening has its own connection, framer and generation number, and `write` goes only to the generation it
 * was meant for: an answer to a meter that was unplugged never reaches the one plugged in after it.
 */
import { backoffMs } from '../backoff.ts';
import { Fault, reasonOf } from '../fault.ts';
import type { Chance, Clock, Log, Timer } from '../ports.ts';
import type { LineConnection, LineOpener, LineUser, PortSpec } from '../ports-line.ts';
import type { CreateFramer, DiscardReason, Framer, FramerOutput } from './framer.ts';
import { framersOf } from './framers.ts';
import type { Check, Framing } from './framing.ts';
import { cutMs, quietMs, Silence, Torn, tornMs } from './stillness.ts';
import { CLOSED_LINE, type LineEffect, type LineInput, type LineState, nextLine } from './line-machine.ts';

export interface LineEvents {
  up(generation: number): void;
  down(generation: number, reason: string): void;
  /** Copies: the receiver's to keep. `body` is what the decoder gets of the frame. */
  frame(generation: number, bytes: Buffer, body: Buffer): void;
  /** Bytes that are no frame. */
  discarded(generation: number, count: number, reason: DiscardReason): void;
}

export interface LineCounters {
  readonly bytes: number;
  readonly frames: number;
  readonly discardedBytes: number;
  readonly oversize: number;
  /** Frames whose check value was wrong. */
  readonly checkErrors: number;
  /** Openings after the first that came up. */
  readonly reopens: number;
  /** Openings that failed. */
  readonly openFailures: number;
}

export interface Line {
  readonly state: LineState;
  readonly counters: LineCounters;
  /** The last bytes that came on this connection, at most 256. */
  readonly recentBytes: Buffer;
  /** How long after an opening the first request waits, so that its answer is not taken for a rest, nor a rest for its answer. */
  readonly quietMs: number;
  start(): void;
  /** Resolves when the connection is closed; an opening that hangs in the system is left to itself after 2 s. */
  stop(): Promise<void>;
  /** Rejects with Fault `line.closed` unless this generation is up and takes the bytes within 5 s. */
  write(generation: number, bytes: Buffer): Promise<void>;
  /** Rejects with Fault `line.closed` as `write` does, but after 30 s, or where the line has no baud rate. */
  setBaudRate(generation: number, baudRate: number): Promise<void>;
  /** From now on the bytes of this generation go to `take` and not to the framer; undefined: to the framer again, `rest` first. */
  divert(generation: number, take: ((chunk: Buffer) => void) | undefined, rest?: Buffer): void;
  /** What is held of a frame is discarded; where its rest follows at once, that is no frame of its own. */
  forget(generation: number): void;
  /** Closes this generation and opens the line again. */
  reopen(generation: number, reason: string): void;
}

export interface LineSpec {
  /** In log lines. */
  readonly sensor: string;
  readonly port: PortSpec;
  readonly framing: Framing;
  readonly check?: Check | undefined;
  /** True where a frame without its beginning could pass for a whole one: "5512,3" cut to "12,3". */
  readonly dropsTorn: boolean;
  readonly events: LineEvents;
}

export interface LinePorts {
  readonly opener: LineOpener;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
}

export type CreateLine = (spec: LineSpec) => Line;

/** Makes the lines of all sensors from the same ports. */
export function lineFactory(ports: LinePorts): CreateLine {
  return (spec) => new SupervisedLine(ports, spec);
}

const BACKOFF = { firstMs: 250, maxMs: 5000 };
/** A device that takes no bytes for this long (flow control, a hung adapter) is lost. */
const WRITE_MS = 5000;
/** Before the baud rate changes all has to leave: 512 bytes, the most of a step, take 19 s at 300 Bd. */
const LEAVE_MS = 30_000;
/** Between two openings because something was plugged in, so that a loose plug does not keep the agent busy. */
const PLUGGED_MS = 250;
const STOP_MS = 2000;
const PIECE_BYTES = 512;
/** Enough to tell a wrong baud rate or parity by. */
const RECENT_BYTES = 256;

interface Opening {
  readonly generation: number;
  readonly settled: Promise<void>;
  connection: LineConnection | undefined;
  framer: Framer | undefined;
  /** Takes the bytes in place of the framer. */
  taker: ((chunk: Buffer) => void) | undefined;
  readonly silence: Silence;
  /** Since it opened, or its bytes were cut in two: they may begin in the middle of a frame. */
  readonly torn: Torn;
  recent: Buffer;
}

class SupervisedLine implements Line {
  readonly #ports: LinePorts;
  readonly #spec: LineSpec;
  readonly #createFramerOf: CreateFramer;
  #machine = CLOSED_LINE;
  #opening: Opening | undefined;
  #retry: Timer | undefined;
  #pluggedMs = Number.NEGATIVE_INFINITY;
  /** The other programs on the line that were told last. */
  #othersTold = '';
  #closing: Promise<void> = Promise.resolve();
  readonly #counters = {
    bytes: 0,
    frames: 0,
    discardedBytes: 0,
    oversize: 0,
    checkErrors: 0,
    reopens: -1,
    openFailures: 0,
  };

  constructor(ports: LinePorts, spec: LineSpec) {
    this.#ports = ports;
    this.#spec = spec;
    this.#createFramerOf = framersOf(spec.framing, spec.check);
  }

  get state(): LineState {
    return this.#machine.state;
  }

  get counters(): LineCounters {
    return { ...this.#counters, reopens: Math.max(0, this.#counters.reopens) };
  }

  get recentBytes(): Buffer {
    return this.#opening?.recent ?? Buffer.alloc(0);
  }

  get quietMs(): number {
    return quietMs(this.#spec.port, this.#spec.dropsTorn);
  }

  start(): void {
    this.#step({ kind: 'start' });
  }

  async stop(): Promise<void> {
    const pending = this.#opening?.settled;
    this.#step({ kind: 'stop' });
    const ended = Promise.all([pending, this.#closing]).then(() => this.#closing);
    await this.#within(ended, STOP_MS);
  }

  async setBaudRate(generation: number, baudRate: number): Promise<void> {
    return this.#inTime(generation, this.#connectionOf(generation).setBaudRate(baudRate), LEAVE_MS);
  }

  divert(generation: number, take: ((chunk: Buffer) => void) | undefined, rest?: Buffer): void {
    const opening = this.#opening;
    if (opening?.generation !== generation) return;
    opening.taker = take;
    this.#cut(opening, true);
    if (rest !== undefined && rest.length > 0) this.#frame(opening, rest);
  }

  forget(generation: number): void {
    const opening = this.#opening;
    if (opening?.generation === generation) this.#cut(opening, false);
  }

  reopen(generation: number, reason: string): void {
    this.#lost(generation, reason);
  }

  async write(generation: number, bytes: Buffer): Promise<void> {
    return this.#inTime(generation, this.#connectionOf(generation).write(bytes), WRITE_MS);
  }

  async #inTime(generation: number, done: Promise<void>, ms: number): Promise<void> {
    if (await this.#within(done, ms)) return done;
    const reason = `the device took no bytes for ${ms} ms`;
    this.#lost(generation, reason);
    throw new Fault('line.closed', `line of ${this.#spec.sensor}: ${reason}`);
  }

  /** A frame does not go on here. `leavesOut`: bytes between go elsewhere, so that the next may be the rest of one. */
  #cut(opening: Opening, leavesOut: boolean): void {
    const held = opening.framer?.end() ?? [];
    if (held.length === 0 && !leavesOut) return;
    const { dropsTorn, framing, port } = this.#spec;
    // The rest of a line goes up to its delimiter, however late it comes. Of other frames time alone tells.
    const goesOn = held.length > 0 && (framing.type === 'line' || framing.type === 'slip');
    opening.framer = dropsTorn && goesOn ? this.#createFramerOf(true) : undefined;
    opening.torn.begin(cutMs(port, framing));
    this.#count(opening.generation, held);
  }

  #connectionOf(generation: number): LineConnection {
    const { state } = this.#machine;
    const connection = this.#opening?.connection;
    if (state.kind === 'up' && state.generation === generation && connection !== undefined) return connection;
    const reason = `connection ${generation} is gone; nothing was written`;
    throw new Fault('line.closed', `line of ${this.#spec.sensor}: ${reason}`);
  }

  #step(input: LineInput): void {
    const { machine, effects } = nextLine(this.#machine, input);
    this.#machine = machine;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: LineEffect): void {
    const { log } = this.#ports;
    switch (effect.kind) {
      case 'open':
        return this.#open(effect.generation);
      case 'close':
        return this.#close(effect.generation);
      case 'wait':
        return this.#wait(effect.failures);
      case 'stop-waiting':
        return this.#retry?.cancel();
      case 'up':
        this.#counters.reopens += 1;
        return this.#spec.events.up(effect.generation);
      case 'down':
        return this.#spec.events.down(effect.generation, effect.reason);
      case 'tell-trouble':
        return log.warn(effect.what === 'lost' ? 'line lost' : 'line can not be opened', {
          sensor: this.#spec.sensor,
          reason: effect.reason,
        });
      case 'tell-up':
        return log.info('line is open', {
          sensor: this.#spec.sensor,
          troubles_repeated: effect.repeats === 0 ? undefined : effect.repeats,
        });
    }
  }

  /** Until the back-off is over, or until a device has been plugged in. */
  #wait(failures: number): void {
    const { clock, chance, opener } = this.#ports;
    const waits: (Timer | undefined)[] = [];
    const cancel = (): void => waits.forEach((wait) => wait?.cancel());
    const retry = (): void => {
      cancel();
      this.#step({ kind: 'retry' });
    };
    const plugged = (): void => {
      const inMs = Math.max(0, this.#pluggedMs + PLUGGED_MS - clock.monotonicMs());
      this.#pluggedMs = clock.monotonicMs() + inMs;
      waits.push(clock.after(inMs, retry));
    };
    this.#retry = { cancel };
    waits.push(clock.after(backoffMs(BACKOFF, failures, chance), retry));
    waits.push(opener.appears?.(this.#spec.port, plugged));
  }

  #open(generation: number): void {
    const opened = this.#ports.opener.open(this.#spec.port, {
      bytes: (chunk) => this.#bytes(generation, chunk),
      closed: (reason) => this.#lost(generation, reason),
    });
    const settled = opened.then(
      (connection) => this.#opened(generation, connection),
      (error: unknown) => {
        this.#counters.openFailures += 1;
        this.#step({ kind: 'not-opened', generation, reason: reasonOf(error) });
      },
    );
    this.#opening = {
      generation,
      settled,
      connection: undefined,
      framer: undefined,
      taker: undefined,
      silence: new Silence(this.#ports.clock),
      torn: new Torn(this.#ports.clock),
      recent: Buffer.alloc(0),
    };
  }

  #opened(generation: number, connection: LineConnection): void {
    const atMs = this.#ports.clock.monotonicMs();
    const opening = this.#opening;
    if (opening?.generation === generation) {
      opening.connection = connection;
      opening.torn.begin(tornMs(this.#spec.port));
      this.#step({ kind: 'opened', generation, atMs });
      connection.others?.().then(
        (others) => this.#tellOthers(others),
        () => undefined,
      );
    } else {
      this.#closing = this.#end(connection);
    }
  }

  #tellOthers(others: readonly LineUser[]): void {
    const told = others.map(({ program, pid }) => `${program} ${pid}`).join();
    if (told === this.#othersTold) return;
    this.#othersTold = told;
    for (const { program, pid } of others) {
      const sensor = this.#spec.sensor;
      this.#ports.log.warn('another program has this line open too: it takes bytes from it', { sensor, program, pid });
    }
  }

  #lost(generation: number, reason: string): void {
    this.#step({ kind: 'lost', generation, reason, atMs: this.#ports.clock.monotonicMs() });
  }

  /** Also of a connection that has closed by itself: closing it again does nothing. */
  #close(generation: number): void {
    const opening = this.#opening;
    if (opening?.generation !== generation) return;
    opening.silence.cancel();
    opening.torn.cancel();
    this.#count(generation, opening.framer?.end() ?? []);
    this.#opening = undefined;
    if (opening.connection !== undefined) this.#closing = this.#end(opening.connection);
  }

  async #end(connection: LineConnection): Promise<void> {
    try {
      await connection.close();
    } catch (error) {
      this.#ports.log.warn('line did not close', { sensor: this.#spec.sensor, reason: reasonOf(error) });
    }
  }

  #bytes(generation: number, chunk: Buffer): void {
    const opening = this.#opening;
    if (opening?.generation !== generation || this.#machine.state.kind !== 'up') return;
    this.#counters.bytes += chunk.length;
    // Kept as they are where one chunk is enough: no copy for a line at speed.
    const before = chunk.length >= RECENT_BYTES ? undefined : opening.recent.subarray(chunk.length - RECENT_BYTES);
    opening.recent = before === undefined ? chunk.subarray(-RECENT_BYTES) : Buffer.concat([before, chunk]);
    if (opening.taker === undefined) this.#frame(opening, chunk);
    else opening.taker(chunk);
  }

  #frame(opening: Opening, chunk: Buffer): void {
    const { generation } = opening;
    if (!opening.silence.heard() && this.#spec.dropsTorn) this.#unsure(opening);
    const framer = (opening.framer ??= this.#createFramerOf(this.#spec.dropsTorn && opening.torn.isTorn));
    // In pieces: what a framer says of a chunk of nothing but false starts takes many times the chunk's memory.
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      this.#count(generation, framer.push(chunk.subarray(at, at + PIECE_BYTES)));
    }
    if (framer.silenceMs === undefined || this.#opening !== opening) return;
    opening.silence.await(framer.silenceMs, () => this.#count(generation, framer.silence?.() ?? []));
  }

  /** Two frames may have run together, or one apart, unseen: nothing counts until there is silence. */
  #unsure(opening: Opening): void {
    this.#count(opening.generation, opening.framer?.end() ?? []);
    opening.framer = this.#createFramerOf(true);
  }

  #count(generation: number, outputs: readonly FramerOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'frame') {
        this.#counters.frames += 1;
        this.#spec.events.frame(generation, output.bytes, output.body);
      } else {
        this.#counters.discardedBytes += output.count;
        if (output.reason === 'oversize') this.#counters.oversize += 1;
        if (output.reason === 'check') this.#counters.checkErrors += 1;
        this.#spec.events.discarded(generation, output.count, output.reason);
      }
    }
  }

  /** Waits for `wanted` at most so long: true when it settled. Its failure is left to whoever awaits it. */
  async #within(wanted: Promise<unknown>, ms: number): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = this.#ports.clock.after(ms, () => resolve(false));
    });
    const settled = wanted.then(
      () => true,
      () => true,
    );
    const inTime = await Promise.race([settled, late]);
    timer?.cancel();
    return inTime;
  }
}
