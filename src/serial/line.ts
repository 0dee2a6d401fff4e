/**
 * One line of the agent: opens it, cuts its bytes into frames, and opens it again when it is lost. The owner of the line
 * machine. Each opening has its own connection, framer and generation number, and `write` goes only to the generation it
 * was meant for: an answer to a meter that was unplugged never reaches the one plugged in after it.
 */
import { backoffMs } from '../backoff.ts';
import { Fault, reasonOf } from '../fault.ts';
import type { Chance, Clock, LineConnection, LineOpener, Log, PortSpec, Timer } from '../ports.ts';
import { type FramerOutput, type Framer, LineFramer, type LineFraming } from './line-framer.ts';
import { CLOSED_LINE, type LineEffect, type LineInput, type LineState, nextLine } from './line-machine.ts';

export interface LineEvents {
  up(generation: number): void;
  down(generation: number, reason: string): void;
  /** A copy: the receiver's to keep. */
  frame(generation: number, bytes: Buffer): void;
  /** Bytes that are no frame. */
  discarded(generation: number, count: number): void;
}

export interface LineCounters {
  readonly bytes: number;
  readonly frames: number;
  readonly discardedBytes: number;
  readonly oversize: number;
  /** Openings after the first that came up. */
  readonly reopens: number;
  /** Openings that failed. */
  readonly openFailures: number;
}

export interface Line {
  readonly state: LineState;
  readonly counters: LineCounters;
  start(): void;
  /** Resolves when the connection is closed; an opening that hangs in the system is left to itself after 2 s. */
  stop(): Promise<void>;
  /** Rejects with Fault `line.closed` unless this generation is up and takes the bytes within 5 s. */
  write(generation: number, bytes: Buffer): Promise<void>;
}

export interface LineSpec {
  /** In log lines. */
  readonly sensor: string;
  readonly port: PortSpec;
  readonly framing: LineFraming;
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
const STOP_MS = 2000;
/**
 * Bytes that come this soon after the opening may be the rest of a frame: the device was already talking. 10 characters
 * at 9600 Bd and an FTDI adapter's latency timer of 16 ms fit in twice.
 */
const TORN_MS = 50;

interface Opening {
  readonly generation: number;
  readonly settled: Promise<void>;
  connection: LineConnection | undefined;
  framer: Framer | undefined;
  openedMs: number;
}

class SupervisedLine implements Line {
  readonly #ports: LinePorts;
  readonly #spec: LineSpec;
  #machine = CLOSED_LINE;
  #opening: Opening | undefined;
  #retry: Timer | undefined;
  #closing: Promise<void> = Promise.resolve();
  readonly #counters = { bytes: 0, frames: 0, discardedBytes: 0, oversize: 0, reopens: -1, openFailures: 0 };

  constructor(ports: LinePorts, spec: LineSpec) {
    this.#ports = ports;
    this.#spec = spec;
  }

  get state(): LineState {
    return this.#machine.state;
  }

  get counters(): LineCounters {
    return { ...this.#counters, reopens: Math.max(0, this.#counters.reopens) };
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

  async write(generation: number, bytes: Buffer): Promise<void> {
    const { state } = this.#machine;
    const connection = this.#opening?.connection;
    if (state.kind !== 'up' || state.generation !== generation || connection === undefined) {
      throw new Fault(
        'line.closed',
        `line of ${this.#spec.sensor}: connection ${generation} is gone; nothing was written`,
      );
    }
    const written = connection.write(bytes);
    if (await this.#within(written, WRITE_MS)) return written;
    const reason = `the device took no bytes for ${WRITE_MS} ms`;
    this.#step({ kind: 'lost', generation, reason, atMs: this.#ports.clock.monotonicMs() });
    // The connection is being closed, which ends the write; its failure is the one told here.
    written.catch(() => undefined);
    throw new Fault('line.closed', `line of ${this.#spec.sensor}: ${reason}`);
  }

  #step(input: LineInput): void {
    const { machine, effects } = nextLine(this.#machine, input);
    this.#machine = machine;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: LineEffect): void {
    const { clock, chance, log } = this.#ports;
    switch (effect.kind) {
      case 'open':
        return this.#open(effect.generation);
      case 'close':
        return this.#close(effect.generation);
      case 'wait':
        this.#retry = clock.after(backoffMs(BACKOFF, effect.failures, chance), () => this.#step({ kind: 'retry' }));
        return;
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
    this.#opening = { generation, settled, connection: undefined, framer: undefined, openedMs: 0 };
  }

  #opened(generation: number, connection: LineConnection): void {
    const atMs = this.#ports.clock.monotonicMs();
    const opening = this.#opening;
    if (opening?.generation === generation) {
      opening.connection = connection;
      opening.openedMs = atMs;
      this.#step({ kind: 'opened', generation, atMs });
    } else {
      this.#closing = this.#end(connection);
    }
  }

  #lost(generation: number, reason: string): void {
    this.#step({ kind: 'lost', generation, reason, atMs: this.#ports.clock.monotonicMs() });
  }

  /** Also of a connection that has closed by itself: closing it again does nothing. */
  #close(generation: number): void {
    const opening = this.#opening;
    if (opening?.generation !== generation) return;
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
    const { state } = this.#machine;
    if (opening?.generation !== generation || state.kind !== 'up') return;
    this.#counters.bytes += chunk.length;
    opening.framer ??= this.#createFramer(opening);
    this.#count(generation, opening.framer.push(chunk));
  }

  #createFramer(opening: Opening): Framer {
    const { framing, dropsTorn } = this.#spec;
    const startsTorn = dropsTorn && this.#ports.clock.monotonicMs() - opening.openedMs < TORN_MS;
    return new LineFramer({ delimiter: Buffer.from(framing.delimiter), max: framing.max, startsTorn });
  }

  #count(generation: number, outputs: readonly FramerOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'frame') {
        this.#counters.frames += 1;
        this.#spec.events.frame(generation, output.bytes);
      } else {
        this.#counters.discardedBytes += output.count;
        if (output.reason === 'oversize') this.#counters.oversize += 1;
        this.#spec.events.discarded(generation, output.count);
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
