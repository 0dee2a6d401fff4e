/** A bus on a clock that is turned by hand: what a far end sends, and when, is exact, and seconds cost nothing. */
import type { Clock } from '../../src/ports.ts';
import type { CreateLine, Line, LineEvents } from '../../src/serial/line.ts';
import { ModbusBus } from '../../src/serial/modbus-bus.ts';
import { owedAnswers } from '../../src/serial/owed-answers.ts';
import { HandClock, HandLine } from '../sensor-rig.ts';
import { keptLog, ttySpec } from '../serial-rig.ts';

/** Bytes that reach the bus so long after its request. */
export interface Sent {
  readonly afterMs: number;
  readonly bytes: Buffer;
}

/** What the far end makes of a request, the first one at place 0. */
export type Far = (request: Buffer, place: number) => readonly Sent[];

export class SimulatedBus {
  readonly clock = new HandClock();
  readonly requests: { readonly atMs: number; readonly hex: string }[] = [];
  readonly bus: ModbusBus;
  /** For so long the program has been held up: time that has passed without a timer or a byte. */
  heldUpMs = 0;
  #taker: ((chunk: Buffer) => void) | undefined;
  #events: LineEvents | undefined;
  #generation = 1;

  constructor(far: Far) {
    const createLine: CreateLine = (spec) => {
      this.#events = spec.events;
      return { ...new HandLine().create(spec), ...this.#lineTo(spec.events, far) };
    };
    const clock: Clock = {
      wallMs: () => this.clock.wallMs(),
      monotonicMs: () => this.clock.monotonicMs() + this.heldUpMs,
      quality: () => 'synced',
      after: (ms, run) => this.clock.after(ms, run),
      soon: (run) => this.clock.soon(run),
    };
    const owed = owedAnswers(Number.NEGATIVE_INFINITY);
    this.bus = new ModbusBus({ port: ttySpec('/dev/ttyUSB0'), createLine, owed, clock, log: keptLog() });
  }

  #lineTo(events: LineEvents, far: Far): Pick<Line, 'start' | 'stop' | 'write' | 'divert'> {
    return {
      start: () => events.up(1),
      stop: () => {
        events.down(1, 'stopped');
        return Promise.resolve();
      },
      write: (_, bytes) => {
        this.requests.push({ atMs: this.clock.monotonicMs(), hex: bytes.toString('hex') });
        for (const sent of far(bytes, this.requests.length - 1)) this.send(sent);
        return Promise.resolve();
      },
      divert: (_, take) => {
        this.#taker = take;
      },
    };
  }

  lose(): void {
    this.#events?.down(this.#generation, 'unplugged');
  }

  replug(): void {
    this.#generation += 1;
    this.#events?.up(this.#generation);
  }

  send({ afterMs, bytes }: Sent): void {
    this.clock.after(afterMs, () => this.#taker?.(bytes));
  }

  /** Lets time pass until this settles; what it settles to. */
  async settled<Value>(wanted: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settled = wanted.finally(() => {
      isSettled = true;
    });
    for (let ms = 0; !isSettled; ms += 1) {
      if (ms > 3_600_000) throw new Error('an hour has passed in vain');
      await this.pass(1);
    }
    return settled;
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.clock.pass(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
