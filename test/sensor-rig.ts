/** A clock that a test turns by hand, a ledger whose answers a test gives, and a line that is only its events. */
import type { AppendResult, Clock, EventDraft, EventSink, SampleSink } from '../src/ports.ts';
import { Fault } from '../src/fault.ts';
import type { CreateLine, Line, LineEvents } from '../src/serial/line.ts';
import type { SensorConfig } from '../src/sensor/config.ts';
import type { EventMemory } from '../src/sensor/event-rule.ts';
import type { RememberedEvents } from '../src/sensor/event-rules.ts';

export class HandClock implements Clock {
  #nowMs = 1000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  /** Wall time less monotonic time; a test may let it jump. */
  wallOffsetMs = Date.UTC(2026, 10, 23, 16, 0, 0) - 1000;

  wallMs(): number {
    return this.#nowMs + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  quality(): 'synced' {
    return 'synced';
  }

  after(ms: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Time passes and nothing happens: the program is held up. What fell due happens with the next `pass`, at its time. */
  hold(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets this much time pass, and everything happen that falls due in it, in order. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= endMs).sort((left, right) => left.atMs - right.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
    }
    this.#nowMs = endMs;
  }
}

/** Each append waits until the test says what became of it; with `always`, that at once. */
export class HandLedger implements EventSink {
  readonly drafts: EventDraft[] = [];
  readonly #resolves: ((result: AppendResult) => void)[] = [];
  always: AppendResult | undefined;

  append(draft: EventDraft): Promise<AppendResult> {
    this.drafts.push(draft);
    if (this.always !== undefined) return Promise.resolve(this.always);
    return new Promise((resolve) => this.#resolves.push(resolve));
  }

  /** The result of the append at this place. */
  settle(at: number, result: AppendResult): void {
    this.#resolves[at]?.(result);
  }
}

/** A line without a port: a test speaks for it. */
export class HandLine {
  events: LineEvents | undefined;
  readonly written: { readonly generation: number; readonly text: string }[] = [];
  readonly baudRates: number[] = [];
  readonly reopened: string[] = [];
  taker: ((chunk: Buffer) => void) | undefined;
  generation = 1;
  stopped = false;

  readonly create: CreateLine = ({ events }): Line => {
    this.events = events;
    return {
      state: { kind: 'closed' },
      counters: { bytes: 0, frames: 0, discardedBytes: 0, oversize: 0, checkErrors: 0, reopens: 0, openFailures: 0 },
      recentBytes: Buffer.alloc(0),
      quietMs: 60,
      start: () => events.up(this.generation),
      stop: () => {
        this.stopped = true;
        return Promise.resolve();
      },
      write: (generation, bytes) => {
        if (generation !== this.generation) return Promise.reject(new Fault('line.closed', 'gone'));
        this.written.push({ generation, text: bytes.toString() });
        return Promise.resolve();
      },
      setBaudRate: (_, baudRate) => {
        this.baudRates.push(baudRate);
        return Promise.resolve();
      },
      divert: (_, take, rest) => {
        this.taker = take;
        if (rest !== undefined) this.say(rest.toString('latin1'));
      },
      forget: () => undefined,
      reopen: (_, reason) => {
        this.reopened.push(reason);
      },
    };
  };

  say(frame: object | string): void {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
    const bytes = Buffer.from(text);
    this.events?.frame(this.generation, bytes, bytes);
  }
}

export class KeptSamples implements SampleSink {
  readonly sent: { readonly topic: string; readonly body: Record<string, unknown> }[] = [];
  takes = true;

  publish(topic: string, payload: Buffer): boolean {
    if (!this.takes) return false;
    this.sent.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> });
    return true;
  }
}

export function pumpConfig(port: SensorConfig['port']): SensorConfig {
  return {
    id: 'pump',
    port,
    framing: { type: 'line', delimiter: '\n', max: 512 },
    decode: { type: 'json' },
    routes: [
      {
        when: { k: 't' },
        telemetry: { every: 5000, reduce: 'last', fields: { temp: { from: 't', unit: 'Cel', min: -40, max: 85 } } },
      },
      {
        when: { k: 'sale' },
        event: {
          stream: 'sale',
          type: 'delivery',
          dedupe: { epoch: 'boot', seq: 'seq' },
          fields: { volume: { from: 'ml', unit: 'l', scale: '0.001', as: 'decimal' } },
        },
        answer: { write: 'ACK {boot} {seq}\n' },
      },
    ],
  };
}

export function sale(seq: number, ml = seq * 10): string {
  return `{"k":"sale","boot":"a1","seq":${seq},"ml":${ml}}`;
}

/** What rules remember, kept in a map. */
export function keptMemory(kept = new Map<string, EventMemory>()): RememberedEvents {
  return {
    of: (route) => kept.get(route),
    set: (route, memory) => void kept.set(route, memory),
  };
}
