/**
 * One Modbus RTU bus, asked by the sensors on it, one read at a time. A read is never satisfied by what belongs to another
 * one: what comes between two reads is discarded, and since an RTU answer does not say which registers it holds, a unit
 * that owes an answer is not asked for anything else until that can not come any more; the other units are. What a unit
 * owes to a process that was killed is not known, so none is asked at first. Each sensor has at most one read waiting, and
 * the sensors take turns.
 */
import { invariant, reasonOf } from '../fault.ts';
import type { Clock, Log } from '../ports.ts';
import type { OwedAnswers, PortSpec } from '../ports-line.ts';
import type { CreateLine, Line, LineCounters } from './line.ts';
import type { LineState } from './line-machine.ts';
import { AnswerSearch, answerLength, type ModbusAnswer, type ModbusRead, type NoAnswer } from './modbus-adu.ts';
import { characterMs, gapMs } from './modbus-times.ts';

export interface ReadOptions {
  /** Time for the server to answer, milliseconds; the time of the bytes on the wire comes on top. */
  readonly timeoutMs: number;
  /** Times that a request is sent again when no sound answer came, or the server was busy. */
  readonly retries: number;
  /** Not this time: the unit is known not to answer. */
  readonly once?: boolean | undefined;
  /** Silence before a request, milliseconds. Default by the baud rate. */
  readonly gapMs?: number | undefined;
}

/** `down`: the line is not up, or was lost before the answer came. */
export type ModbusOutcome = ModbusAnswer | NoAnswer | { readonly kind: 'down' };

/** A sensor, as the bus sees it. */
export interface ModbusMember {
  /** The line is open. Also at once by `start`, when it already is. */
  up(): void;
  down(why: string): void;
}

/** `frames` are answers, `discardedBytes` also those that came after the sensor's last read. */
export interface SeatCounters extends LineCounters {
  readonly exceptions: number;
  /** Requests without any answer. */
  readonly timeouts: number;
  /** Requests whose answer was cut off, wrong, or no answer to them. */
  readonly garbled: number;
  /** Requests sent again. */
  readonly retries: number;
}

/** A sensor's place on the bus. */
export interface ModbusSeat {
  readonly counters: SeatCounters;
  /** The first start opens the line. */
  start(): void;
  /** A read that waits resolves as `down`. The last stop closes the line. */
  stop(): Promise<void>;
  /** Never rejects. One at a time. */
  read(read: ModbusRead, options: ReadOptions): Promise<ModbusOutcome>;
}

export interface ModbusBusOptions {
  readonly port: PortSpec;
  readonly createLine: CreateLine;
  readonly owed: OwedAnswers;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes one bus a port: asked for the same path or address again, it gives the same bus. */
export function modbusBuses(options: Omit<ModbusBusOptions, 'port'>): (port: PortSpec) => ModbusBus {
  const buses = new Map<string, ModbusBus>();
  return (port) => {
    const bus = buses.get(nameOf(port)) ?? new ModbusBus({ ...options, port });
    buses.set(nameOf(port), bus);
    return bus;
  };
}

const DOWN: ModbusOutcome = { kind: 'down' };
const NEVER_QUIET: ModbusOutcome = { kind: 'garbled', why: 'the line is never quiet', hasCome: true };
const REQUEST_BYTES = 8;
/** Exceptions that ask to come again later: acknowledge, server device busy. */
const LATER = [5, 6];
/** An unanswered request may still be answered for so long, at the least: adapters and gateways hold bytes back. */
const LATE_MS_MIN = 1000;
/** A wait that took so much longer than asked for: the program was held up, and bytes may wait unseen. */
const HELD_UP_MS = 20;

interface Job {
  readonly seat: Seat;
  readonly read: ModbusRead;
  readonly options: ReadOptions;
  readonly settle: (outcome: ModbusOutcome) => void;
}

interface Seat {
  readonly member: ModbusMember;
  readonly counters: { -readonly [Name in keyof Omit<SeatCounters, 'reopens' | 'openFailures'>]: number };
}

export class ModbusBus {
  readonly #options: ModbusBusOptions;
  readonly #line: Line;
  readonly #started = new Set<Seat>();
  /** First come, first served; at most one of each seat. */
  #waiting: Job[] = [];
  readonly #lateUntilMs: Map<number, number>;
  #generation: number | undefined;
  #serving = false;
  #search: AnswerSearch | undefined;
  /** Whose answer it is, if bytes come now. */
  #last: Seat | undefined;
  #strayBytes = 0;
  #endPause: (() => void) | undefined;
  #look: { cancel(): void } | undefined;

  constructor(options: ModbusBusOptions) {
    this.#options = options;
    this.#lateUntilMs = options.owed.of(nameOf(options.port));
    this.#line = options.createLine({
      sensor: `modbus ${nameOf(options.port)}`,
      port: options.port,
      // A formality: all bytes are diverted.
      framing: { type: 'line', delimiter: '\n', max: 512 },
      dropsTorn: false,
      events: {
        up: (generation) => this.#up(generation),
        down: (_, reason) => this.#down(reason),
        frame: () => undefined,
        discarded: () => undefined,
      },
    });
  }

  get state(): LineState {
    return this.#line.state;
  }

  join(member: ModbusMember): ModbusSeat {
    const seat: Seat = { member, counters: newCounters() };
    const line = this.#line;
    return {
      get counters(): SeatCounters {
        const { reopens, openFailures } = line.counters;
        return { ...seat.counters, reopens, openFailures };
      },
      start: () => this.#start(seat),
      stop: () => this.#stop(seat),
      read: (read, options) => this.#read(seat, read, options),
    };
  }

  #start(seat: Seat): void {
    if (this.#started.has(seat)) return;
    this.#started.add(seat);
    if (this.#generation !== undefined) seat.member.up();
    else this.#line.start();
  }

  async #stop(seat: Seat): Promise<void> {
    this.#started.delete(seat);
    this.#settleWaiting((job) => job.seat === seat);
    if (this.#started.size > 0) return;
    this.#look?.cancel();
    await this.#line.stop();
  }

  #read(seat: Seat, read: ModbusRead, options: ReadOptions): Promise<ModbusOutcome> {
    invariant(!this.#waiting.some((job) => job.seat === seat), 'a sensor has one read at a time on its bus');
    if (this.#generation === undefined || !this.#started.has(seat)) return Promise.resolve(DOWN);
    return new Promise((settle) => {
      this.#waiting.push({ seat, read, options, settle });
      this.#wake();
    });
  }

  #up(generation: number): void {
    this.#generation = generation;
    this.#line.divert(generation, (chunk) => this.#take(chunk));
    for (const seat of this.#started) seat.member.up();
  }

  #down(why: string): void {
    this.#generation = undefined;
    this.#endPause?.();
    this.#settleWaiting(() => true);
    for (const seat of this.#started) seat.member.down(why);
  }

  #settleWaiting(is: (job: Job) => boolean): void {
    const gone = this.#waiting.filter(is);
    this.#waiting = this.#waiting.filter((job) => !is(job));
    for (const job of gone) job.settle(DOWN);
  }

  #take(chunk: Buffer): void {
    if (this.#search === undefined) {
      this.#strayBytes += chunk.length;
      if (this.#last === undefined) return;
      this.#last.counters.bytes += chunk.length;
      this.#last.counters.discardedBytes += chunk.length;
      return;
    }
    if (this.#last !== undefined) this.#last.counters.bytes += chunk.length;
    this.#search.take(chunk);
    if (this.#search.found !== undefined) this.#endPause?.();
  }

  #wake(): void {
    if (this.#serving) return;
    this.#serving = true;
    this.#serve().catch((error: unknown) => {
      this.#options.log.error('modbus bus failed', { port: nameOf(this.#options.port), reason: reasonOf(error) });
    });
  }

  async #serve(): Promise<void> {
    try {
      for (let job = this.#next(); job !== undefined; job = this.#next()) {
        this.#last = job.seat;
        job.settle(await this.#transact(job));
      }
    } finally {
      this.#serving = false;
    }
  }

  /** The first read whose unit owes no answer. If there are only others, the bus looks again when one of them has its time. */
  #next(): Job | undefined {
    this.#look?.cancel();
    const nowMs = this.#options.clock.monotonicMs();
    const waitMs = (job: Job): number => this.#lateUntil(job) - nowMs;
    const ready = this.#waiting.findIndex((job) => waitMs(job) <= 0);
    if (ready >= 0) return this.#waiting.splice(ready, 1)[0];
    if (this.#waiting.length > 0) {
      this.#look = this.#options.clock.after(Math.min(...this.#waiting.map(waitMs)), () => this.#wake());
    }
    return undefined;
  }

  /** Before it the unit may answer something older than this read. */
  #lateUntil({ read, options }: Job): number {
    const before = this.#options.owed.sinceMs + (options.retries + 1) * this.#lateMs(read, options);
    return Math.max(this.#lateUntilMs.get(read.unit) ?? before, before);
  }

  /** For so long after a request its answer may come: no server takes longer that these time-outs and retries can read at all. */
  #lateMs(read: ModbusRead, options: ReadOptions): number {
    return Math.max(LATE_MS_MIN, (options.retries + 1) * this.#waitMs(read, options));
  }

  #waitMs(read: ModbusRead, { timeoutMs }: ReadOptions): number {
    return timeoutMs + (REQUEST_BYTES + answerLength(read)) * characterMs(this.#options.port);
  }

  async #transact(job: Job): Promise<ModbusOutcome> {
    const { seat, read, options } = job;
    const waitMs = this.#waitMs(read, options);
    const generation = this.#generation;
    const retries = options.once === true ? 0 : options.retries;
    let outcome = DOWN;
    let owed = 0;
    for (let attempt = 0; attempt <= retries; attempt += 1) {
      if (attempt > 0) seat.counters.retries += 1;
      outcome = await this.#ask(generation, job, waitMs);
      if (owes(outcome)) owed += 1;
      if (outcome.kind === 'answer' || outcome.kind === 'down') break;
      if (outcome.kind !== 'exception') continue;
      if (!LATER.includes(outcome.code)) break;
      if (attempt < retries) await this.#pause(options.timeoutMs);
    }
    const lateMs = this.#lateMs(read, options);
    if (owed > 0) this.#lateUntilMs.set(read.unit, this.#options.clock.monotonicMs() + owed * lateMs);
    else this.#lateUntilMs.delete(read.unit);
    return outcome;
  }

  async #ask(generation: number | undefined, { seat, read, options }: Job, waitMs: number): Promise<ModbusOutcome> {
    const { counters } = seat;
    const isQuiet = await this.#quiet(options.gapMs ?? gapMs(this.#options.port), waitMs);
    if (generation === undefined || this.#generation !== generation) return DOWN;
    if (!isQuiet) {
      counters.garbled += 1;
      return NEVER_QUIET;
    }
    const search = new AnswerSearch(read);
    this.#search = search;
    try {
      await this.#line.write(generation, search.request);
      if (search.found === undefined) await this.#pause(waitMs);
    } catch {
      // The line tells its loss itself.
      return DOWN;
    } finally {
      this.#search = undefined;
      counters.discardedBytes += search.discardedBytes;
      counters.checkErrors += search.checkErrors;
    }
    if (search.found === undefined && this.#generation !== generation) return DOWN;
    const outcome = search.found ?? search.end();
    if (outcome.kind === 'answer') counters.frames += 1;
    if (outcome.kind === 'exception') counters.exceptions += 1;
    if (outcome.kind === 'silent') counters.timeouts += 1;
    if (outcome.kind === 'garbled') counters.garbled += 1;
    return outcome;
  }

  /** Waits for so long without a byte, at most about `waitMs`: false when it does not come. */
  async #quiet(quietMs: number, waitMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const before = this.#strayBytes;
      const fromMs = clock.monotonicMs();
      await this.#pause(quietMs);
      const nowMs = clock.monotonicMs();
      const isQuiet = this.#strayBytes === before;
      if ((isQuiet && nowMs - fromMs <= quietMs + HELD_UP_MS) || nowMs >= endMs) return isQuiet;
    }
  }

  /** Ends early when the answer is found or the line is lost. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** Its answer may still come. */
function owes(outcome: ModbusOutcome): boolean {
  return outcome.kind === 'silent' || outcome.kind === 'down' || (outcome.kind === 'garbled' && !outcome.hasCome);
}

function newCounters(): Seat['counters'] {
  const line = { bytes: 0, frames: 0, discardedBytes: 0, oversize: 0, checkErrors: 0 };
  return { ...line, exceptions: 0, timeouts: 0, garbled: 0, retries: 0 };
}

function nameOf(port: PortSpec): string {
  return port.kind === 'tty' ? port.path : `${port.host}:${port.port}`;
}
